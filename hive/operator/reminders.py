"""Reminders: listed, summed up, tried again and cancelled by the operator."""

from attrs import frozen

from hive.directory import Directory
from hive.operator.handlers import Act, Table, act, read
from hive.reminders import ReminderService
from hive.wire.reminders import GetReminders, ReminderList, ReminderRollup, ResolveReminder, Rollup


def table(reminders: ReminderService, directory: Directory) -> Table:
    """What the operator may ask about reminders, and do with them."""
    handlers = _Reminders(reminders, directory)
    return {
        GetReminders: read(handlers.listed),
        ReminderRollup: read(handlers.rollup),
        ResolveReminder: act(reminders.resolve, lambda one: Act(one.action, f"reminder {one.id}")),
    }


@frozen
class _Reminders:
    reminders: ReminderService
    directory: Directory

    async def listed(self, asked: GetReminders) -> ReminderList:
        return ReminderList(await self.reminders.listed(self._checked(asked.agent), asked.limit))

    async def rollup(self, asked: ReminderRollup) -> Rollup:
        return await self.reminders.rollup(asked, self._checked(asked.agent))

    def _checked(self, agent: str | None) -> str | None:
        return None if agent is None else self.directory.record(agent).name
