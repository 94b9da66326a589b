"""Agents: who exists, what each does, and the operator's acts on one."""

from attrs import frozen

from hive.wire.logins import DEFAULT_CREDENTIAL
from hive.wire.states import AgentState, Condition


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
class StatusChanged:
    """An agent changed its state, or may work now, or may not; `until` in epoch seconds."""

    state: AgentState
    reason: str | None = None
    until: float | None = None
    condition: Condition = Condition.ONLINE
    credential: str = DEFAULT_CREDENTIAL


@frozen
class Spawn:
    """Create and start an agent; `may_send` as in SetRights."""

    name: str
    driver: str | None = None
    model: str | None = None
    credential: str = DEFAULT_CREDENTIAL
    may_send: tuple[str, ...] | None = None


@frozen
class SetRights:
    """To whom an agent may send, besides the manager and the operator; None: to all.

    EVERYBODY among them allows broadcasts, which reach all.
    """

    name: str
    may_send: tuple[str, ...] | None


@frozen
class AgentCommand:
    """`action` is `start`, `stop`, `restart` or `destroy`."""

    name: str
    action: str


@frozen
class SetStatus:
    """The line that the operator sees behind the agent's name; empty: none."""

    text: str


@frozen
class Said:
    """An agent set its line, or with an empty text cleared it."""

    text: str


FromAgent = SetStatus
OperatorActs = Spawn | SetRights | AgentCommand
FromDaemon = AgentStatus
EventKinds = StatusChanged | Said
