"""The supervisor tree as the operator sees it, and the acts on a part of it."""

from attrs import frozen

from hive.wire.states import AgentState


@frozen
class TreeNode:
    """One supervised part, with all below it; times in epoch seconds."""

    path: str
    """The ids from the root to it, joined by `/`, such as `hive/agents/manager/serve`."""
    kind: str
    """`worker` or `supervisor`."""
    state: AgentState
    since: float
    """When it came into this state."""
    reason: str | None = None
    """Why it is in this state, or what it notes about itself; None: nothing to say."""
    until: float | None = None
    """When the state ends by itself; None: it does not."""
    restarts: int = 0
    last_tick_age_s: float | None = None
    """How long it has been silent; None: it never ticked."""
    children: tuple["TreeNode", ...] = ()


@frozen
class TreeCommand:
    """Act on one supervised child; `action` is `park`, `unpark`, `kick`, `suspend` or `resume`.

    `path` is as `hive status` shows it; an agent's name stands for its child `serve`, which decides
    whether it takes work. A park ends by itself at `until` (epoch seconds); None: it does not.
    """

    path: str
    action: str
    reason: str | None = None
    until: float | None = None


@frozen
class GetChild:
    """Ask for one supervised child, its history and all below it; answered with `Child`."""

    path: str


@frozen
class Happening:
    """One line of a child's history; `at` in epoch seconds.

    `event` is the kind of the supervisor's event, `incarnation` counts the starts of the child (0
    when that is not known).
    """

    at: float
    event: str
    incarnation: int
    text: str


@frozen
class Child:
    """A supervised child, the newest events of it (oldest first), and its last failure in full.

    `report` is empty when it had no failure.
    """

    node: TreeNode
    history: tuple[Happening, ...]
    report: str = ""


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


OperatorReads = GetChild
OperatorActs = TreeCommand
FromDaemon = Child
EventKinds = Supervision
