"""The end of an agent for good: one commit from which on it is gone, then all that follows.

What follows may be repeated wherever it was cut off, and the next start of the daemon does so.
"""

import time

from hive.broker import BrokerError
from hive.containers import ContainerError
from hive.daemon.hive import Hive
from hive.link import LinkError
from hive.store import StoreError
from hive.wire import Notice, SetBudget

_FAILURES = (BrokerError, ContainerError, StoreError, OSError, ValueError)


async def destroy(hive: Hive, name: str) -> int:
    """Stop the agent, bounce what it had not done, keep its folder aside; how many bounced.

    Raises NoSuchAgent, SupervisorError, ContainerError and StoreError when it is there as before,
    if stopped; LinkError when it is gone, but not all that was its own is put away.
    """
    if name not in hive.fleet.leaving:
        await hive.fleet.leave(name, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    try:
        return await _complete(hive, name)
    except _FAILURES as error:
        raise LinkError("not_done", _incomplete(name, error)) from None


async def complete_destroys(hive: Hive) -> None:
    """Complete what earlier daemons have begun; what fails is told, and left for the next start."""
    for name in hive.fleet.leaving:
        try:
            await _complete(hive, name)
        except _FAILURES as error:
            hive.publish(None, Notice(_incomplete(name, error)))


async def _complete(hive: Hive, name: str) -> int:
    for reminder in await hive.reminders.listed(name):
        await hive.reminders.cancel(name, reminder.id)
    for schedule in await hive.schedules.listed(name):
        await hive.schedules.cancel(name, schedule.id)
    await hive.desk.forget(name)
    for budget in hive.budgets.statuses():
        if budget.scope == name:
            await hive.budgets.set(SetBudget(name, budget.period, budget.unit, None))
    bounced = await hive.broker.bury(name)
    await hive.fleet.put_away(name)
    return bounced


def _incomplete(name: str, error: Exception) -> str:
    return (
        f"{name} is destroyed, but not all of it is put away: {error}. The next start of the hive "
        f"completes it, or `hive destroy {name}` again"
    )
