"""Reminders and schedules as they cross a process boundary; times in epoch seconds."""

from enum import StrEnum

from attrs import field, frozen


class ReminderState(StrEnum):
    """Where a reminder is in its life."""

    PENDING = "pending"
    FAILED = "failed"
    """Its delivery failed too often: it waits for the operator."""
    SENT = "sent"
    CANCELLED = "cancelled"


@frozen
class Reminder:
    """A message that an agent has set for itself; `retry_at` is when it is tried (again)."""

    id: int
    agent: str
    text: str
    created_at: float
    due_at: float
    retry_at: float
    state: ReminderState = ReminderState.PENDING
    file: str | None = None
    attempts: int = 0
    error: str | None = None


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


# --- harness asks daemon -----------------------------------------------------------------------


@frozen
class Remind:
    """Set a reminder for yourself: exactly one of `delay_s` and `at` (ISO 8601 with zone).

    `file` names the file below state/reminders that its text is delivered in.
    """

    text: str
    delay_s: float | None = None
    at: str | None = None
    file: str | None = None
    key: str | None = None


@frozen
class Reminded:
    id: int
    due_at: float


@frozen
class ListReminders:
    """One's own reminders and schedules that are not at an end; answered with `ReminderList`."""


@frozen
class ReminderList:
    """Soonest first."""

    reminders: tuple[Reminder, ...]
    schedules: tuple[Schedule, ...] = field(default=())


@frozen
class CancelReminder:
    """Give up a reminder, or (with `schedule`) a schedule, of one's own; answered with `Done`."""

    id: int
    schedule: bool = False


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


# --- asked by harness and operator -------------------------------------------------------------


@frozen
class ReminderRollup:
    """What became of reminders since `since`; answered with `Rollup`.

    On an agent's socket its own; on the operator's those of `agent`, or of all agents.
    """

    since: float
    agent: str | None = None


@frozen
class Rollup:
    """Counts since `since`, but `pending` and `failed` as of now; lateness in seconds.

    `attempted` are those whose delivery was tried; `failed` wait for the operator.
    """

    since: float
    pending: int
    attempted: int
    delivered: int
    failed: int
    cancelled: int
    lateness_p50_s: float | None = None
    lateness_p95_s: float | None = None


# --- operator asks daemon ----------------------------------------------------------------------


@frozen
class GetReminders:
    """Pending and failed reminders of `agent`, or of all; answered with `ReminderList`."""

    agent: str | None = None
    limit: int = 100


@frozen
class ResolveReminder:
    """`action` is `retry` (a failed one, from the start) or `cancel`."""

    id: int
    action: str


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


AgentReminderBody = Remind | ListReminders | CancelReminder | RequestSchedule | ReminderRollup
ControlReminderBody = (
    GetReminders | ResolveReminder | ReminderRollup | GetSchedules | ResolveSchedule | EditSchedule
)
ReminderBody = (
    AgentReminderBody
    | ControlReminderBody
    | Reminded
    | ReminderList
    | Scheduled
    | Rollup
    | ScheduleList
)
