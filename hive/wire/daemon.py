"""The daemon as a whole: its status, its stop, and notices to whoever operates it."""

from attrs import field, frozen

from hive.wire.agents import AgentStatus
from hive.wire.gates import GateStatus
from hive.wire.tree import TreeNode


@frozen
class GetStatus:
    """The whole hive; answered with `Status`."""


@frozen
class Status:
    """The whole hive at one moment."""

    version: int
    """Of the shape of this JSON; it changes when a field goes or changes its meaning."""
    root: str
    """The hive's folder."""
    seq: int
    """The number of the last LiveEvent that this includes: follow from there."""
    agents: tuple[AgentStatus, ...]
    tree: TreeNode
    demo: bool = False
    notices: tuple[str, ...] = field(default=())
    """What the operator must see first, a line each: about the disk, held messages, budgets."""
    gates: tuple[GateStatus, ...] = field(default=())
    """The buckets of credentials that are not simply open."""


@frozen
class Down:
    """Stop the hive and every container of it."""


@frozen
class Done:
    """The answer to what was done and gives nothing back."""


@frozen
class Notice:
    """An event that is a text for the operator."""

    text: str


OperatorReads = GetStatus
OperatorActs = Down
FromPage = GetStatus
FromDaemon = Status | Done
EventKinds = Notice
