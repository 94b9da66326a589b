"""Agents are destroyed in one commit, from which on the agent is gone, and steps that follow it.

The steps may be repeated wherever they were cut off, and the next start of the daemon does so.
"""

import time
from collections.abc import Callable

from attrs import frozen

from hive.agents import Fleet
from hive.approvals import ApprovalService
from hive.broker import Broker, BrokerError
from hive.budget import BudgetService
from hive.containers import ContainerError
from hive.link import LinkError
from hive.questions import QuestionService
from hive.reminders import ReminderService
from hive.schedules import ScheduleService
from hive.store import StoreError
from hive.wake_ups import WakeUpService
from hive.wire.budgets import SetBudget
from hive.wire.daemon import Notice
from hive.wire.events import Event

_FAILURES = (BrokerError, ContainerError, StoreError, OSError, ValueError)


@frozen
class Destroyer:
    """Destroys agents, with everything that belongs to them."""

    fleet: Fleet
    broker: Broker
    reminders: ReminderService
    schedules: ScheduleService
    questions: QuestionService
    wake_ups: WakeUpService
    approvals: ApprovalService
    budgets: BudgetService
    publish: Callable[[str | None, Event], None]

    async def destroy(self, name: str) -> int:
        """Stop the agent, bounce its open messages, move its folder away; how many bounced.

        Raises NoSuchAgent, SupervisorError, ContainerError or StoreError when it still exists,
        perhaps stopped; LinkError when it is gone, but a step failed that follows.
        """
        if name not in self.fleet.leaving:
            await self.fleet.leave(name, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
        try:
            return await self._complete(name)
        except _FAILURES as error:
            raise LinkError("not_done", _incomplete(name, error)) from None

    async def complete_all(self) -> None:
        """Complete what earlier daemons have begun.

        What fails is published as a notice, and left for the next start.
        """
        for name in self.fleet.leaving:
            try:
                await self._complete(name)
            except _FAILURES as error:
                self.publish(None, Notice(_incomplete(name, error)))

    async def _complete(self, name: str) -> int:
        for reminder in await self.reminders.listed(name):
            await self.reminders.cancel(name, reminder.id)
        for schedule in await self.schedules.listed(name):
            await self.schedules.cancel(name, schedule.id)
        await self.questions.forget(name)
        await self.wake_ups.forget(name)
        await self.approvals.forget(name)
        for budget in self.budgets.statuses():
            if budget.scope == name:
                await self.budgets.set(SetBudget(name, budget.period, budget.unit, None))
        bounced = await self.broker.dead_letter_all(name)
        await self.fleet.put_away(name)
        return bounced


def _incomplete(name: str, error: Exception) -> str:
    return (
        f"{name} is destroyed, but not all of it is put away: {error}. The next start of the hive "
        f"completes it, or `hive destroy {name}` again"
    )
