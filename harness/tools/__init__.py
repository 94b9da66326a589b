"""The tools that the hive gives to its model: a class for each, and the server that performs
them.

To add one, see CONTRIBUTING.md.
"""

from harness.tools.mcp_server import SERVER, ToolServer
from harness.tools.message_text import framed_all
from harness.tools.table import guide

__all__ = ["SERVER", "ToolServer", "framed_all", "guide"]
