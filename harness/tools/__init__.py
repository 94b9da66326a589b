"""The tools that the hive gives to its model: a class for each, and the runner that serves them."""

from harness.tools.runner import RECONNECT_S, SERVER, Tools

__all__ = ["RECONNECT_S", "SERVER", "Tools"]
