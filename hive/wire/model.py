"""The values that daemon, harness, web and command line share."""

import re
from collections.abc import Iterable
from enum import StrEnum

from attrs import field, frozen

from hive.wire.limits import DEFAULT_CREDENTIAL, Condition, GateStatus, Usage

OPERATOR = "operator"
"""The name under which the human sends and receives; never an agent's."""

EVERYBODY = "*"
"""Instead of a recipient: every agent but the sender."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_RESERVED = frozenset({OPERATOR, "hive", "all"})


def check_name(name: str) -> str:
    """Return `name` if it may name an agent; raises ValueError with the rule otherwise."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is not a name: use a lower case letter, then up to 30 lower case letters, "
            "digits or '-'"
        )
    if name in _RESERVED:
        raise ValueError(f"{name!r} is reserved: choose another name")
    return name


def check_recipients(names: Iterable[str]) -> tuple[str, ...]:
    """Names to whom somebody may send, each once; EVERYBODY is one. Raises ValueError."""
    return tuple(dict.fromkeys(one if one == EVERYBODY else check_name(one) for one in names))


class MessageState(StrEnum):
    """Where a message is in its life."""

    QUEUED = "queued"
    LEASED = "leased"
    HELD = "held"
    """Given back too often without a failure of its own: waits for the operator."""
    DONE = "done"
    DEAD = "dead"


@frozen
class Message:
    """One message, as the broker keeps it; `sent_at` in epoch seconds."""

    id: int
    sender: str
    recipient: str
    body: str
    sent_at: float
    state: MessageState = MessageState.QUEUED
    in_reply_to: int | None = None
    broadcast_id: str | None = None
    attempts: int = 0
    redelivered: bool = False
    urgent: bool = False
    """May use the reserve of a budget."""
    returns: int = 0
    """How often it was given back by a limit since the operator last let it go on."""


@frozen
class Lease:
    """Messages held by one harness instance for one turn; `waiting` more are queued behind them."""

    id: str
    messages: tuple[Message, ...]
    waiting: int = 0


class Outcome(StrEnum):
    """How a turn ended: a closed set."""

    COMPLETED = "completed"
    LIMITED = "limited"
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
    OVERLOADED = "overloaded"
    UNREACHABLE = "unreachable"
    """No answer of the API came: none at all, or something else answered in its place."""
    SERVER_ERROR = "server_error"
    """The API failed at this request; whether at those of others, too, is not known."""
    INTERRUPTED = "interrupted"
    REFUSED = "refused"
    """The turn itself cannot succeed as it is: a bad request, a refusal, a limit of one turn."""
    FAILED = "failed"
    """It failed for a reason that is not known."""


@frozen
class TurnReport:
    """A turn's typed end; `until` (epoch seconds) is when a limit resets, if the API said."""

    outcome: Outcome
    detail: str = ""
    until: float | None = None
    session: str | None = None
    duration_s: float = 0.0
    usage: Usage = field(factory=Usage)
    window: str | None = None
    """Which limit it was, in the CLI's words: five_hour, seven_day, seven_day_opus, …"""
    model: str | None = None
    """The model that the turn ran with, as the CLI named it."""


class AgentState(StrEnum):
    """States of a supervised thing, everywhere the same closed set."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    BACKOFF = "backoff"
    PARKED = "parked"
    STOPPED = "stopped"
    OVERDUE = "overdue"
    FAILED = "failed"


@frozen
class TreeNode:
    """One supervised thing as the operator sees it; `until` and `since` in epoch seconds."""

    path: str
    kind: str
    state: AgentState
    since: float
    reason: str | None = None
    until: float | None = None
    restarts: int = 0
    last_tick_age_s: float | None = None
    children: tuple["TreeNode", ...] = ()


@frozen
class AgentStatus:
    """One agent on one line; `until` and `since` in epoch seconds."""

    name: str
    state: AgentState
    since: float
    reason: str | None = None
    until: float | None = None
    queued: int = 0
    leased: int = 0
    turn: str | None = None
    model: str | None = None
    driver: str = ""
    last_tick_age_s: float | None = None
    restarts: int = 0
    connected: bool = False
    session: str | None = None
    condition: Condition = Condition.ONLINE
    credential: str = DEFAULT_CREDENTIAL
    held: int = 0
    """Messages that wait for the operator."""
    says: str = ""
    """The line that the agent itself has set."""
    may_send: tuple[str, ...] | None = None
    """To whom it may send besides the manager and the operator; None: to all."""


@frozen
class Status:
    """The whole hive at one moment; `seq` is the last LiveEvent that it includes."""

    version: int
    root: str
    seq: int
    agents: tuple[AgentStatus, ...]
    tree: TreeNode
    demo: bool = False
    notices: tuple[str, ...] = field(default=())
    """What the operator must see first, one line each: the disk, what is held, budgets."""
    gates: tuple[GateStatus, ...] = field(default=())
    """Those buckets that are not simply open."""
