"""The end of an agent for good. Each step may be repeated, so an end that was cut off is too."""

import time

from hive.daemon.hive import Hive
from hive.wire import SetBudget


async def destroy(hive: Hive, name: str) -> int:
    """Stop the agent, bounce what it had not done, keep its folder aside; how many bounced.

    Raises NoSuchAgent, StoreError, OSError.
    """
    await hive.fleet.stop(name)
    for reminder in await hive.reminders.listed(name):
        await hive.reminders.cancel(name, reminder.id)
    for schedule in await hive.schedules.listed(name):
        await hive.schedules.cancel(name, schedule.id)
    await hive.desk.forget(name)
    for budget in hive.budgets.statuses():
        if budget.scope == name:
            await hive.budgets.set(SetBudget(name, budget.period, budget.unit, None))
    when = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    async with hive.fleet.leaving(name, when):
        return await hive.broker.bury(name)
