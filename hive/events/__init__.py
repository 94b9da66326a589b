"""LiveEvents: one sequence, the newest in memory, all of them saved, readers that cannot block."""

from hive.events.hub import Hub, Lagged, Subscription

__all__ = ["Hub", "Lagged", "Subscription"]
