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
    """A recurring message of an agent to `to`; exactly one of `cron` and `every_s` is set."""

    id: int
    agent: str
    to: tuple[str, ...]
    text: str
    created_at: float
    cron: str | None = None
    every_s: float | None = None
    zone: str = "UTC"
    """The IANA time zone of `cron`."""
    state: ScheduleState = ScheduleState.REQUESTED
    next_at: float | None = None
    """When it runs next; None while it is not active."""
    last_at: float | None = None
    """When it ran last; None: never."""
    fired: int = 0
    """Runs so far."""
    skipped: int = 0
    """Runs that were left out because the hive was down."""
    error: str | None = None
    """Why the last run reached nobody; None when it did."""


@frozen
class RequestSchedule:
    """Ask the operator for a recurring message to `to` (none: to oneself); see `Schedule`.

    Answered with `Scheduled`. The same `key` again asks for no other.
    """

    text: str
    to: tuple[str, ...] = field(default=())
    cron: str | None = None
    every_s: float | None = None
    zone: str = "UTC"
    key: str | None = None


@frozen
class Scheduled:
    """A schedule is requested; `next` are its first runs, if it were approved now."""

    id: int
    state: ScheduleState
    next: tuple[float, ...] = field(default=())


@frozen
class GetSchedules:
    """Requested and active schedules, with `ended` also denied and cancelled ones.

    Answered with `ScheduleList`.
    """

    ended: bool = False
    limit: int = 100


@frozen
class ScheduleList:
    """Schedules, oldest first."""

    schedules: tuple[Schedule, ...]


@frozen
class ResolveSchedule:
    """Decide on a schedule: `action` is `approve`, `deny`, `fire` or `cancel`.

    `fire` runs it once now, beside its times.
    """

    id: int
    action: str
    reason: str | None = None


@frozen
class EditSchedule:
    """Change what is not None of a schedule; `cron` and `every_s` replace each other."""

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
