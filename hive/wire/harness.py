"""A harness: what it is told to do, and what it reports about itself."""

from attrs import field, frozen

from hive.wire.bounds import BODY_CAP
from hive.wire.events import Event
from hive.wire.tree import TreeNode


@frozen
class HarnessSettings:
    """What a harness needs for its turns; it is in `Welcome`, and pushed when it has changed."""

    agent: str
    model: str | None = None
    """The model that the CLI is told to use; None: its own default."""
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Variables for the CLI, with the credential among them."""
    claude: str | None = None
    """The path of the CLI in the container; None when the daemon has found none."""
    peers: tuple[str, ...] = ()
    """The other agents, to whom this one may send."""
    orphan_after_s: float = 900.0
    """Without a connection for so long the harness ends its container."""
    turn_silence_s: float = 600.0
    """A turn in which the CLI says nothing for so long is ended."""
    body_cap: int = BODY_CAP
    """Bytes that the body of a message may have."""
    fallback_models: tuple[str, ...] = ()
    """Models that the CLI may use instead, when the agent's is overloaded or does not exist."""


@frozen
class StopHarness:
    """Stop within `grace` seconds: interrupt the turn, report it, exit."""

    grace: float


@frozen
class Interrupt:
    """Interrupt the running turn; with `over_budget` that is its outcome."""

    over_budget: bool = False


@frozen
class Report:
    """The state of the harness, pushed on change and every few seconds."""

    tree: TreeNode
    """Its own supervisor tree."""
    turn: str | None = None
    """The id of the running turn's lease; None between turns."""
    session: str | None = None
    """The id of the CLI's conversation."""
    model: str | None = None
    """The model as the CLI named it; None before its first turn."""


@frozen
class Emit:
    """Events of a harness instance, which numbers them from 0, so that none is taken twice."""

    first: int
    """The number of the first of them."""
    events: tuple[tuple[float, Event], ...]
    """Each with the time at which it happened (epoch seconds)."""


FromAgent = Report | Emit
PushedByAgent = Report
FromDaemon = HarnessSettings | StopHarness | Interrupt
