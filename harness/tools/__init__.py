"""The tools that the hive gives to its model: a class for each, and the runner that serves them.

To add one, see CONTRIBUTING.md.
"""

from harness.tools.runner import SERVER, Tools
from harness.tools.table import guide

__all__ = ["SERVER", "Tools", "guide"]
