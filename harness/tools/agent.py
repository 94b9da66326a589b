"""The tools about the agent itself: who it is, and the line that it shows to the operator."""

import json

from attrs import frozen

from harness.tools.base import DaemonTool, Tool, ToolContext, argument
from hive.wire.agents import SetStatus


@frozen
class WhoAmITool(Tool):
    """Tells the agent its name, the others, and what it holds; the harness knows all of it."""

    NAME = "whoami"
    DESCRIPTION = "Your name, the other agents, and the messages that you hold in this turn."
    GUIDE = (
        "`mcp__hive__whoami` tells your name, who else is there now, and which messages you hold."
    )

    async def perform(self, context: ToolContext) -> str:
        shared = context.shared
        return json.dumps(
            {
                "name": shared.options.name,
                "others": list(shared.settings.peers) if shared.settings else [],
                "operator": "operator",
                "state": str(shared.options.folders.state),
                "holding": [one.id for one in shared.holding.messages] if shared.holding else [],
            }
        )


@frozen
class SetStatusTool(DaemonTool):
    """Sets the status line, which the operator sees behind the agent's name."""

    NAME = "set_status"
    DESCRIPTION = (
        "Set the line that the operator sees behind your name: what you work on. It stays "
        "until you set another one; an empty text clears it."
    )
    GUIDE = "`mcp__hive__set_status` sets the one line that the operator sees behind your name."

    text: str = argument("one line", least=0, most=120)

    def wire_request(self) -> SetStatus:
        return SetStatus(self.text)
