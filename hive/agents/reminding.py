"""What an agent asks on its socket about its reminders and schedules: its own, and no others."""

from hive.agents.agent import Agent
from hive.wire.daemon import Done
from hive.wire.reminders import (
    CancelReminder,
    ListReminders,
    Remind,
    Reminded,
    ReminderList,
    ReminderRollup,
    Rollup,
)
from hive.wire.schedules import RequestSchedule, Scheduled

Asked = Remind | ListReminders | CancelReminder | RequestSchedule | ReminderRollup
Answer = Reminded | ReminderList | Done | Scheduled | Rollup


async def answer(agent: Agent, asked: Asked) -> Answer:
    """Do it; raises BrokerError and StoreError, whose text is for the agent."""
    reminders, schedules, name = (
        agent.dependencies.reminders,
        agent.dependencies.schedules,
        agent.name,
    )
    match asked:
        case Remind():
            return await reminders.remind(name, asked)
        case ListReminders():
            return ReminderList(await reminders.listed(name), await schedules.listed(name))
        case CancelReminder(id_, schedule):
            return await (schedules if schedule else reminders).cancel(name, id_)
        case RequestSchedule():
            return await schedules.request(name, asked)
        case ReminderRollup():
            return await reminders.rollup(asked, name)
