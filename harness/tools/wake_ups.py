"""The tools by which an agent wakes itself."""

import json
import uuid

from attrs import frozen

from harness.tools.base import DONE, DaemonTool, argument
from hive.wire.bodies import Body
from hive.wire.messages import Sent
from hive.wire.wake_ups import RequestNextTurn, Wake


@frozen
class RequestNextTurnTool(DaemonTool):
    """Asks for one more turn right after this one."""

    NAME = "request_next_turn"
    DESCRIPTION = (
        "Be woken once more right after this turn, to go on with work that is too long for one "
        "turn. At most one is pending, and 12 an hour."
    )
    # These lines are about `wake` as well.
    GUIDE = """\
`mcp__hive__request_next_turn` wakes you once more right after this turn. `mcp__hive__wake` sends
yourself a message; a program that you leave running wakes you with the command
`hive-harness wake --from LABEL TEXT` (TEXT - reads its standard input).
"""

    reason: str = argument("what is left; it is shown to you", least=1, most=1000)

    def wire_request(self) -> RequestNextTurn:
        return RequestNextTurn(self.reason)


@frozen
class WakeTool(DaemonTool):
    """Sends the agent a message from itself."""

    NAME = "wake"
    DESCRIPTION = (
        "Send a message to yourself, which wakes you after this turn unless recv takes it. "
        "Programs in your container can do so at any time by the command "
        "`hive-harness wake --from LABEL TEXT` (TEXT - reads standard input). At most 60 an "
        "hour."
    )

    text: str = argument("the message", least=1)
    label: str = argument("who it comes from", least=1, most=60, default="tool")

    def wire_request(self) -> Wake:
        return Wake(self.label, self.text, key=uuid.uuid4().hex)

    def answer_text(self, answer: Body) -> str:
        return json.dumps({"message": answer.id}) if isinstance(answer, Sent) else DONE
