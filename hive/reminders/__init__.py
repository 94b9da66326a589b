"""Reminders that agents set for themselves: durable, bounded, delivered in one transaction."""

from hive.reminders.errors import BadReminder, NoSuchReminder, TooManyReminders
from hive.reminders.policy import Limits
from hive.reminders.service import Place, ReminderService

__all__ = [
    "BadReminder",
    "Limits",
    "NoSuchReminder",
    "Place",
    "ReminderService",
    "TooManyReminders",
]
