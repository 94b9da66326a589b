"""LiveEvents: one sequence of them, the newest in memory, all saved; readers block nobody."""

from hive.events.hub import Hub, Lagged, Subscription

__all__ = ["Hub", "Lagged", "Subscription"]
