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
    """A message that an agent has set for itself."""

    id: int
    agent: str
    text: str
    created_at: float
    due_at: float
    retry_at: float
    """When its delivery is tried next: `due_at`, or later after a failure."""
    state: ReminderState = ReminderState.PENDING
    file: str | None = None
    """The file below state/reminders that holds its text when it is delivered; None: none."""
    attempts: int = 0
    """Deliveries that failed."""
    error: str | None = None
    """Why the last one failed."""


@frozen
class Remind:
    """Set a reminder for oneself; answered with `Reminded`.

    Exactly one of `delay_s` (seconds) and `at` (ISO 8601 with zone) says when. `file` names the
    file below state/reminders that its text is delivered in. The same `key` again sets no other.
    """

    text: str
    delay_s: float | None = None
    at: str | None = None
    file: str | None = None
    key: str | None = None


@frozen
class Reminded:
    """A reminder is set, and due at that time."""

    id: int
    due_at: float


@frozen
class ListReminders:
    """One's own reminders and schedules that are not at an end; answered with `ReminderList`."""


@frozen
class ReminderList:
    """Reminders, and schedules if they were asked for; the soonest first."""

    reminders: tuple[Reminder, ...]
    schedules: tuple[Schedule, ...] = field(default=())


@frozen
class CancelReminder:
    """Give up a reminder, or (with `schedule`) a schedule, of one's own; answered with `Done`."""

    id: int
    schedule: bool = False


@frozen
class ReminderRollup:
    """Ask what became of reminders since `since`; answered with `Rollup`.

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
    """Pending and failed reminders of `agent` (None: of all); answered with `ReminderList`."""

    agent: str | None = None
    limit: int = 100


@frozen
class ResolveReminder:
    """Decide on a reminder: `action` is `retry` (a failed one, from the start) or `cancel`."""

    id: int
    action: str


FromAgent = Remind | ListReminders | CancelReminder | ReminderRollup
OperatorReads = ReminderRollup | GetReminders
OperatorActs = ResolveReminder
FromDaemon = Reminded | ReminderList | Rollup
