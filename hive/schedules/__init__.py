"""Recurring messages: cron expressions and intervals, approved by the operator."""

from hive.schedules.errors import BadSchedule, NoSuchSchedule, TooManySchedules
from hive.schedules.policy import RecurrenceRule
from hive.schedules.service import ScheduleService

__all__ = ["BadSchedule", "NoSuchSchedule", "RecurrenceRule", "ScheduleService", "TooManySchedules"]
