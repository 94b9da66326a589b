"""The supervisor tree as the operator sees it, and his acts on a part of it."""

from attrs import frozen

from hive.wire.states import AgentState


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
class TreeCommand:
    """The operator's hand on one supervised child.

    `action` is `park`, `unpark`, `kick`, `suspend` or `resume`; `path` as the status shows it, or
    an agent's name for whether it takes work; `until` (epoch seconds) ends a park by itself.
    """

    path: str
    action: str
    reason: str | None = None
    until: float | None = None


@frozen
class GetChild:
    """One supervised child with all below it and its history."""

    path: str


@frozen
class Happening:
    """One line of a child's history; `at` in epoch seconds."""

    at: float
    event: str
    incarnation: int
    text: str


@frozen
class Child:
    """`report` is its last failure in full, if it had one."""

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
