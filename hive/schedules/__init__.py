"""Recurring messages: cron expressions and intervals, approved by the operator."""

from hive.schedules.policy import BadSchedule, NoSuchSchedule, RecurrenceRule, TooManySchedules
from hive.schedules.service import ScheduleService

__all__ = ["BadSchedule", "NoSuchSchedule", "RecurrenceRule", "ScheduleService", "TooManySchedules"]
