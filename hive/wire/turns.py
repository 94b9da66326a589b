"""Turns: the lease that a turn works on, its end, and what the harness tells meanwhile."""

import operator
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from attrs import astuple, field, frozen

from hive.wire.messages import Message


@frozen
class Lease:
    """Messages held by one harness instance for one turn; `waiting` more are queued behind them."""

    id: str
    messages: tuple[Message, ...]
    waiting: int = 0


class Outcome(StrEnum):
    """How a turn ended: a closed set."""

    COMPLETED = "completed"
    """The model worked to its end: the messages are done."""
    LIMITED = "limited"
    """A usage limit or rate limit of the API was reached."""
    UNAUTHORISED = "unauthorised"
    """The credential was refused, or there is none: somebody must log in."""
    BILLING = "billing"
    """The account cannot be charged."""
    DISABLED = "disabled"
    """The organisation or the account is disabled, on hold, or must be verified."""
    NO_MODEL = "no_model"
    """The model does not exist for this account, or not for this version of the CLI."""
    NO_CREDITS = "no_credits"
    """This model, or its long context, needs usage credits that the account does not have."""
    OVER_BUDGET = "over_budget"
    """The hive ended the turn because its budget was used up."""
    CONTEXT_FULL = "context_full"
    """The conversation is too long for the model."""
    OVERLOADED = "overloaded"
    """The API says that it has too much to do."""
    UNREACHABLE = "unreachable"
    """No answer of the API came: none at all, or something else answered in its place."""
    SERVER_ERROR = "server_error"
    """The API failed at this request; whether at those of others, too, is not known."""
    INTERRUPTED = "interrupted"
    """Somebody ended it: the operator, a stop, a lost answer."""
    REFUSED = "refused"
    """The turn itself cannot succeed as it is: a bad request, a refusal, a limit of one turn."""
    FAILED = "failed"
    """It failed for a reason that is not known."""


@frozen
class Usage:
    """Tokens and money of one turn, sub-agents included; `+` and `-` go field by field."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float = 0.0

    @property
    def tokens(self) -> int:
        """All of them, cached ones included."""
        return (
            self.input_tokens
            + self.output_tokens
            + self.cache_read_tokens
            + self.cache_write_tokens
        )

    def __add__(self, other: "Usage") -> "Usage":
        return self.merged(other, operator.add)

    def __sub__(self, other: "Usage") -> "Usage":
        return self.merged(other, operator.sub)

    def merged(self, other: "Usage", how: Callable[[Any, Any], Any]) -> "Usage":
        """What `how` makes of each field of both, for example the larger by `max`."""
        return Usage(*map(how, astuple(self), astuple(other)))


@frozen
class TurnReport:
    """How a turn ended, in typed fields."""

    outcome: Outcome
    detail: str = ""
    """Why, in one line for the operator."""
    until: float | None = None
    """When the limit resets that ended it (epoch seconds); None when the API did not say."""
    session: str | None = None
    """The CLI's conversation that the next turn continues."""
    duration_s: float = 0.0
    usage: Usage = field(factory=Usage)
    window: str | None = None
    """Which limit it was, in the CLI's words: five_hour, seven_day, seven_day_opus, …"""
    model: str | None = None
    """The model that the turn ran with, as the CLI named it; None when it never did."""


@frozen
class Take:
    """Ask for the next lease, and say that this instance holds none.

    Answered with `Taken` within `wait` seconds.
    """

    wait: float


@frozen
class Taken:
    """A lease; or None with the reason, and until when (epoch seconds) the agent is parked."""

    lease: Lease | None = None
    reason: str | None = None
    until: float | None = None


@frozen
class Recv:
    """Take up to `max` more messages into the lease of the running turn; answered with `Taken`.

    If no message waits it waits for one, `wait` seconds at most.
    """

    lease: str
    max: int = 10
    wait: float = 0.0


@frozen
class Finish:
    """The turn of this lease ended; the daemon acknowledges its messages or takes them back, once.

    It may be repeated until it is answered. A failure `store_…` says that it is not written yet.
    """

    lease: str
    report: TurnReport


class SignalKind(StrEnum):
    """What the API said about a credential in the middle of a turn."""

    ANSWERED = "answered"
    """It answered a request: the first time in a turn, and after a signal of another kind."""
    WARNED = "warned"
    """A limit is near."""
    REJECTED = "rejected"
    """A limit is reached."""
    UNAUTHORISED = "unauthorised"
    """It refused the credential."""


@frozen
class ApiSignal:
    """Pushed in the middle of a turn, as soon as the CLI's stream shows it.

    `window` is the limit in the CLI's words (five_hour, seven_day_opus, …), `resets_at` in epoch
    seconds, `utilization` from 0 to 1, `model` as the CLI named it; each is None when it did not.
    """

    lease: str
    kind: SignalKind
    window: str | None = None
    resets_at: float | None = None
    utilization: float | None = None
    model: str | None = None


@frozen
class Spending:
    """Pushed in the middle of a turn: what it has used so far, as far as the CLI can tell."""

    lease: str
    usage: Usage


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
    """The model called a tool; `arguments` is JSON, cut to EVENT_TEXT characters."""

    turn: str
    id: str
    tool: str
    arguments: str


@frozen
class ToolResult:
    """A tool answered the call `id`; `text` is cut to EVENT_TEXT characters."""

    turn: str
    id: str
    is_error: bool
    text: str


@frozen
class ApiRetry:
    """The CLI waits `delay_s` seconds and asks the API again."""

    turn: str
    attempt: int
    error: str
    delay_s: float


FromAgent = Take | Recv | Finish
PushedByAgent = ApiSignal | Spending
FromDaemon = Taken
EventKinds = TurnStarted | TurnEnded | Text | ToolCall | ToolResult | ApiRetry
