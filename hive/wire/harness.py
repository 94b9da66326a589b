"""A harness: what it is told to do, and what it reports of itself."""

from attrs import field, frozen

from hive.wire.events import Event
from hive.wire.tree import TreeNode


@frozen
class HarnessSettings:
    """What a harness needs for its turns; travels in `Welcome` and as a push when it changed."""

    agent: str
    model: str | None = None
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    claude: str | None = None
    peers: tuple[str, ...] = ()
    orphan_after_s: float = 900.0
    turn_silence_s: float = 600.0
    body_cap: int = 16384
    fallback_models: tuple[str, ...] = ()
    """Models that the CLI may use instead, when the agent's is overloaded or does not exist."""


@frozen
class StopHarness:
    """End within `grace` seconds: interrupt the turn, return, exit."""

    grace: float


@frozen
class Interrupt:
    """Interrupt the running turn; `over_budget` is then its outcome."""

    over_budget: bool = False


@frozen
class Report:
    """The harness's own tree (pushed on change and every few seconds)."""

    tree: TreeNode
    turn: str | None = None
    session: str | None = None
    model: str | None = None


@frozen
class Emit:
    """The instance's events from its `first`-th on (counted from 0), so that none doubles.

    Each with the time at which it happened (epoch seconds).
    """

    first: int
    events: tuple[tuple[float, Event], ...]


FromAgent = Report | Emit
PushedByAgent = Report
FromDaemon = HarnessSettings | StopHarness | Interrupt
