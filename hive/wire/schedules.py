"""Schedules: recurring messages that the operator approves; times in epoch seconds."""

from enum import StrEnum

from attrs import field, frozen


class ScheduleState(StrEnum):
    """Where a schedule is in its life."""

    REQUESTED = "requested"
    """It waits for the operator's approval."""
    ACTIVE = "active"
    DENIED = "denied"
    CANCELLED = "cancelled"


@frozen
class Schedule:
    """A recurring message of an agent to `to`; exactly one of `cron` and `every_s` is set.

    `zone` is the IANA time zone of `cron`; `skipped` counts runs that downtime swallowed; `error`
    is why the last run reached nobody.
    """

    id: int
    agent: str
    to: tuple[str, ...]
    text: str
    created_at: float
    cron: str | None = None
    every_s: float | None = None
    zone: str = "UTC"
    state: ScheduleState = ScheduleState.REQUESTED
    next_at: float | None = None
    last_at: float | None = None
    fired: int = 0
    skipped: int = 0
    error: str | None = None


@frozen
class RequestSchedule:
    """Ask the operator for a recurring message to `to` (none: to oneself); see `Schedule`."""

    text: str
    to: tuple[str, ...] = field(default=())
    cron: str | None = None
    every_s: float | None = None
    zone: str = "UTC"
    key: str | None = None


@frozen
class Scheduled:
    """`next` are the first runs, if it were approved now."""

    id: int
    state: ScheduleState
    next: tuple[float, ...] = field(default=())


@frozen
class GetSchedules:
    """Requested and active schedules; `ended`: denied and cancelled ones too."""

    ended: bool = False
    limit: int = 100


@frozen
class ScheduleList:
    """Oldest first."""

    schedules: tuple[Schedule, ...]


@frozen
class ResolveSchedule:
    """`action` is `approve`, `deny`, `fire` (once, now, beside its times) or `cancel`."""

    id: int
    action: str
    reason: str | None = None


@frozen
class EditSchedule:
    """Change what is not None; `cron` and `every_s` replace each other."""

    id: int
    text: str | None = None
    to: tuple[str, ...] | None = None
    cron: str | None = None
    every_s: float | None = None
    zone: str | None = None


FromAgent = RequestSchedule
OperatorReads = GetSchedules
OperatorActs = ResolveSchedule | EditSchedule
FromDaemon = Scheduled | ScheduleList
