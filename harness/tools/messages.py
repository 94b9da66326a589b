"""The tool `thread`: what was said before and after a message, as far as it fits. Pure."""

import json
from typing import Any

from harness.tools.calls import ThreadCall
from hive.wire import Body, GetThread, Inbox, Message

MOST_TEXT = 40_000
"""Characters of bodies in one answer: a long thread must not fill the model's context."""


def asked(call: ThreadCall) -> GetThread:
    """The request for a call."""
    return GetThread(call.id)


def told(call: ThreadCall, answer: Body) -> str:
    """The newest messages that fit, oldest first; JSON, so that no body can forge a line."""
    messages = answer.messages if isinstance(answer, Inbox) else ()
    if not messages:
        return f"there is no message {call.id} that you have sent or received"
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
