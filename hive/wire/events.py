"""LiveEvents: everything the operator can watch, as one closed union tagged by `kind`."""

from attrs import frozen

from hive.wire.limits import DEFAULT_CREDENTIAL, BudgetStatus, Condition, GateStatus, Usage
from hive.wire.model import AgentState, MessageState, Outcome
from hive.wire.questions import Said


@frozen
class StatusChanged:
    """An agent changed its state, or may work now, or may not; `until` in epoch seconds."""

    state: AgentState
    reason: str | None = None
    until: float | None = None
    condition: Condition = Condition.ONLINE
    credential: str = DEFAULT_CREDENTIAL


@frozen
class GateChanged:
    """A bucket of a credential changed its state."""

    gate: GateStatus


@frozen
class BudgetReached:
    """A budget is used up to `share` (0.8: a warning; 1.0: work on it stops)."""

    budget: BudgetStatus
    share: float


@frozen
class MessageSent:
    """A message was committed; `body` is cut to 2,000 characters."""

    id: int
    sender: str
    recipient: str
    body: str
    in_reply_to: int | None = None
    broadcast_id: str | None = None


@frozen
class MessageMoved:
    """Messages of one recipient changed their state, and why."""

    ids: tuple[int, ...]
    state: MessageState
    why: str = ""


@frozen
class TurnStarted:
    """An agent began to work on these messages."""

    turn: str
    messages: tuple[int, ...]
    session: str


@frozen
class TurnEnded:
    """A turn ended with this outcome."""

    turn: str
    outcome: Outcome
    detail: str
    duration_s: float
    usage: Usage


@frozen
class Text:
    """Text that the model wrote in its stream (nobody else in the hive sees it)."""

    turn: str
    text: str


@frozen
class ToolCall:
    """The model called a tool; `arguments` is JSON cut to 2,000 characters."""

    turn: str
    id: str
    tool: str
    arguments: str


@frozen
class ToolResult:
    """A tool answered; `text` is cut to 2,000 characters."""

    turn: str
    id: str
    is_error: bool
    text: str


@frozen
class ApiRetry:
    """The CLI waits `delay_s` and asks the API again."""

    turn: str
    attempt: int
    error: str
    delay_s: float


@frozen
class Supervision:
    """A supervisor's event about the child at `path`: its kind and one line of text.

    `report` is the full form of a failure, bounded and without credentials: causes, frames, last
    messages; empty for everything else.
    """

    path: str
    event: str
    text: str
    report: str = ""


@frozen
class Notice:
    """Something that the operator should read."""

    text: str


Event = (
    StatusChanged
    | GateChanged
    | BudgetReached
    | MessageSent
    | MessageMoved
    | TurnStarted
    | TurnEnded
    | Text
    | ToolCall
    | ToolResult
    | ApiRetry
    | Supervision
    | Notice
    | Said
)


@frozen
class LiveEvent:
    """An event with its place in the hive's one sequence; it happened `at` (epoch seconds).

    What came late has its own time, which may be before that of an event with a smaller `seq`.
    """

    seq: int
    at: float
    agent: str | None
    event: Event


# --- asked for by operator and web, and pushed to them ------------------------------------------


@frozen
class GetEvents:
    """The newest `limit` events above `since`, of one agent or of all; oldest first."""

    agent: str | None = None
    since: int = 0
    limit: int = 500


@frozen
class Events:
    events: tuple[LiveEvent, ...]
    seq: int


@frozen
class Follow:
    """Push `EventBatch`es of what comes after `since`; answered with `Done` first."""

    agent: str | None = None
    since: int = 0


@frozen
class EventBatch:
    events: tuple[LiveEvent, ...]


@frozen
class Resync:
    """Pushed instead of events that were lost to a slow reader: take a new snapshot."""
