"""Reminders that agents set for themselves: durable, bounded, delivered in one transaction."""

from hive.reminders.policy import BadReminder, NoSuchReminder, ReminderLimits, TooManyReminders
from hive.reminders.service import ReminderService, StateFolder

__all__ = [
    "BadReminder",
    "NoSuchReminder",
    "ReminderLimits",
    "ReminderService",
    "StateFolder",
    "TooManyReminders",
]
