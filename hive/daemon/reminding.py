"""What the operator asks about reminders and schedules."""

from hive.daemon.hive import Hive
from hive.wire import (
    Done,
    EditSchedule,
    GetReminders,
    GetSchedules,
    ReminderList,
    ReminderRollup,
    ResolveReminder,
    ResolveSchedule,
    Rollup,
    ScheduleList,
)

Asked = (
    GetReminders | ResolveReminder | ReminderRollup | GetSchedules | ResolveSchedule | EditSchedule
)


async def answer(hive: Hive, asked: Asked) -> ReminderList | ScheduleList | Rollup | Done:
    """Do it; raises BrokerError, StoreError, NoSuchAgent."""
    match asked:
        case GetReminders(agent, limit):
            return ReminderList(await hive.reminders.listed(_known(hive, agent), limit))
        case ResolveReminder():
            return await hive.reminders.resolve(asked)
        case ReminderRollup(_, agent):
            return await hive.reminders.rollup(asked, _known(hive, agent))
        case GetSchedules(ended, limit):
            return ScheduleList(await hive.schedules.listed(None, limit, ended=ended))
        case ResolveSchedule():
            return await hive.schedules.resolve(asked)
        case EditSchedule():
            return await hive.schedules.edit(asked)


def _known(hive: Hive, agent: str | None) -> str | None:
    return None if agent is None else hive.fleet.record(agent).name
