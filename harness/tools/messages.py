"""The tools that send messages, take more of them, and read them again."""

import json
import uuid
from typing import Any

from attrs import frozen

from harness.tools.base import DaemonTool, Tool, ToolContext, ToolFailed, argument
from harness.tools.message_text import framed_all
from hive.wire.bodies import Body
from hive.wire.bounds import LONGEST_TAKE_S, MOST_TAKEN
from hive.wire.messages import GetThread, Inbox, Message, Send, Sent

MOST_TEXT = 40_000
"""Characters of bodies in one answer: a long thread must not fill the model's context."""


@frozen
class SendTool(DaemonTool):
    """Sends a message; what is too large is refused before the daemon is asked."""

    NAME = "send"
    DESCRIPTION = (
        "Send a message to an agent of this hive, to the operator, or to all agents at once. "
        "Returns its number once it is stored for good."
    )
    GUIDE = """\
Nobody reads what you write in your turn: it is your own log. Only the tool `mcp__hive__send`
reaches anybody: `to` is a name from above or "operator", `body` the text (at most {body_cap} bytes;
put more into a file and send its path), `in_reply_to` the number of the message that you answer.
With `to` "*" it goes to all agents but you; "(to all agents: …)" marks such a message.
Answer the operator's messages by sending to "operator". It returns the message's number once it is
stored for good; an error means that nothing was sent.
"""
    UNANSWERED = (
        "the message may or may not have been sent. Note it in your state folder, and look before "
        "you send it again"
    )

    to: str = argument(
        "an agent's name, or operator, or * for all agents but you (a turn of each; limited)",
        least=1,
        most=64,
    )
    body: str = argument("the text", least=1)
    in_reply_to: int | None = argument("number of the message you answer", least=1, default=None)
    urgent: bool = argument(
        "may use the operator's reserve when a budget is used up", default=False
    )

    async def perform(self, context: ToolContext) -> str:
        settings = context.state.settings
        size = len(self.body.encode())
        if settings is not None and size > settings.body_cap:
            raise ToolFailed(
                f"the body has {size} bytes, at most {settings.body_cap} can be sent: write it to "
                "a file and send its path or a summary"
            )
        return await super().perform(context)

    def wire_request(self) -> Send:
        key = uuid.uuid4().hex
        return Send(self.to, self.body, self.in_reply_to, key=key, urgent=self.urgent)

    def answer_text(self, answer: Body) -> str:
        if not isinstance(answer, Sent):
            raise ToolFailed("the hive gave an answer that makes no sense")
        return json.dumps({"sent": answer.id, "to": self.to})


@frozen
class RecvTool(Tool):
    """Takes more waiting messages into the running turn."""

    NAME = "recv"
    DESCRIPTION = (
        "Take more messages that wait for you into this turn. Without arguments it looks once "
        "and does not wait."
    )
    GUIDE = """\
`mcp__hive__recv` takes more waiting messages into this turn; without arguments it only looks.
Take them when they belong to what you do now; the others wake you one by one.
"""

    wait_seconds: float = argument(
        "wait so long for a message if there is none", least=0, most=LONGEST_TAKE_S, default=0.0
    )
    max: int = argument("at most so many", least=1, most=MOST_TAKEN, default=10)

    async def perform(self, context: ToolContext) -> str:
        lease = await context.take(self.wait_seconds, self.max)
        return "[hive] no message waits" if lease is None else framed_all(lease)


@frozen
class ThreadTool(DaemonTool):
    """Shows a message with what it answers and what answers it, as far as that fits."""

    NAME = "thread"
    DESCRIPTION = (
        "Read again what belongs together: a message that you have sent or received, what it "
        "answers and what answers it, each with its state (queued, leased: in a turn of its "
        "reader, done, dead: given up, held: waits for the operator)."
    )
    GUIDE = """\
`mcp__hive__thread` shows a message of yours again with what it answers and what answers it, and
what became of each: the way to see whether what you sent was read.
"""

    id: int = argument("the number of any of its messages", least=1)

    def wire_request(self) -> GetThread:
        return GetThread(self.id)

    def answer_text(self, answer: Body) -> str:
        """The newest messages that fit, oldest first; at least one."""
        messages = answer.messages if isinstance(answer, Inbox) else ()
        if not messages:
            return f"there is no message {self.id} that you have sent or received"
        shown: list[dict[str, Any]] = []
        left = MOST_TEXT
        for one in reversed(messages):
            left -= len(one.body)
            if left < 0 and shown:
                break
            shown.insert(0, _message(one))
        older = len(messages) - len(shown)
        return json.dumps({"thread": shown, "older_not_shown": older}, ensure_ascii=False)


def _message(one: Message) -> dict[str, Any]:
    head: dict[str, Any] = {"id": one.id, "from": one.sender, "to": one.recipient}
    if one.in_reply_to is not None:
        head["in_reply_to"] = one.in_reply_to
    if one.broadcast_id is not None:
        head["broadcast"] = True
    return head | {"state": one.state.value, "body": one.body}
