"""The daemon as a whole: its status, its end, and what everybody must read."""

from attrs import field, frozen

from hive.wire.agents import AgentStatus
from hive.wire.gates import GateStatus
from hive.wire.tree import TreeNode


@frozen
class GetStatus:
    """The whole hive; answered with `Status`."""


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


@frozen
class Down:
    """Stop the hive and every container of it."""


@frozen
class Done:
    """Done; nothing to say."""


@frozen
class Notice:
    """Something that the operator should read."""

    text: str


OperatorReads = GetStatus
OperatorActs = Down
FromPage = GetStatus
FromDaemon = Status | Done
EventKinds = Notice
