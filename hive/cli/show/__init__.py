"""What commands print. Text of agents is untrusted: nothing in it may drive the terminal."""

from hive.cli.show.limits import budget_reached, gate_line, gates
from hive.cli.show.live import event, message
from hive.cli.show.overview import agents, status
from hive.cli.show.supervised import audit, child, tree
from hive.cli.show.text import ago, clock, moment, one_line, safe, table

__all__ = [
    "agents",
    "ago",
    "audit",
    "budget_reached",
    "child",
    "clock",
    "event",
    "gate_line",
    "gates",
    "message",
    "moment",
    "one_line",
    "safe",
    "status",
    "table",
    "tree",
]
