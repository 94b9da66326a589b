"""Reminders: messages that an agent has set for itself; times in epoch seconds."""

from enum import StrEnum

from attrs import field, frozen

from hive.wire.schedules import Schedule


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


FromAgent = Remind | ListReminders | CancelReminder | ReminderRollup
OperatorReads = ReminderRollup | GetReminders
OperatorActs = ResolveReminder
FromDaemon = Reminded | ReminderList | Rollup
