"""Agents: who exists, what each does, and the operator's acts on one."""

from attrs import frozen

from hive.wire.logins import DEFAULT_CREDENTIAL
from hive.wire.states import AgentState, Condition


@frozen
class AgentStatus:
    """One agent, as a line of `hive status` shows it; times in epoch seconds."""

    name: str
    state: AgentState
    since: float
    """When it came into this state."""
    reason: str | None = None
    """Why it is in this state, or what it waits for; None when there is nothing to say."""
    until: float | None = None
    """When the state ends by itself; None when it does not, or that is not known."""
    queued: int = 0
    """Messages that wait for a turn."""
    leased: int = 0
    """Messages that the running turn holds."""
    turn: str | None = None
    """The id of the running turn, which is its lease's; None between turns."""
    model: str | None = None
    """As the CLI names it; before that as it was set. None: the CLI's own default."""
    driver: str = ""
    """What runs its container: `bubblewrap` or `process`."""
    last_tick_age_s: float | None = None
    """How long the part has been silent that ticked least recently; None when none ticks."""
    restarts: int = 0
    connected: bool = False
    """Whether its harness is connected to the daemon."""
    session: str | None = None
    """The id of the CLI's conversation, as its harness reported it."""
    condition: Condition = Condition.ONLINE
    credential: str = DEFAULT_CREDENTIAL
    held: int = 0
    """Messages that limits gave back too often, so that they wait for the operator."""
    says: str = ""
    """The status line that the agent itself has set; empty: none."""
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
    """Create and start an agent; `may_send` as in SetRights.

    A `driver` or `model` of None is the configured one.
    """

    name: str
    driver: str | None = None
    model: str | None = None
    credential: str = DEFAULT_CREDENTIAL
    may_send: tuple[str, ...] | None = None


@frozen
class SetRights:
    """Change to whom an agent may send, besides the manager and the operator; None: to all.

    EVERYBODY among them allows broadcasts, which reach all.
    """

    name: str
    may_send: tuple[str, ...] | None


@frozen
class AgentCommand:
    """Act on an agent; `action` is `start`, `stop`, `restart` or `destroy`."""

    name: str
    action: str


@frozen
class SetStatus:
    """Set the status line, which the operator sees behind the agent's name; empty: none."""

    text: str


@frozen
class Said:
    """An agent set its status line, or with an empty text cleared it."""

    text: str


FromAgent = SetStatus
OperatorActs = Spawn | SetRights | AgentCommand
FromDaemon = AgentStatus
EventKinds = StatusChanged | Said
