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
        state = context.state
        return json.dumps(
            {
                "name": state.options.name,
                "others": list(state.settings.peers) if state.settings else [],
                "operator": "operator",
                "state": str(state.options.folders.state),
                "holding": [one.id for one in state.holding.messages] if state.holding else [],
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
