"""Reading the hive's wake prompt: where its messages begin and end."""

import re

from attrs import frozen

from hive.demo.request import MessagesRequest, Part, TextPart

_HEAD = re.compile(
    r"^\[hive\] message (?P<id>\d{1,18}) from (?P<sender>[a-z][a-z0-9-]{0,30})"
    r"(?P<marks>(?: \([^()\n]*\))*)[ \t]*$",
    re.MULTILINE,
)
_PARENT = re.compile(r" \(in reply to (\d{1,18})\)")


@frozen
class PromptMessage:
    """One message of a wake prompt; `waiting` more are queued."""

    id: int
    sender: str
    body: str
    in_reply_to: int | None = None
    again: bool = False
    waiting: int = 0
    broadcast: bool = False


def messages_in(text: str) -> tuple[PromptMessage, ...]:
    """The messages in a wake prompt; none if `text` is no wake prompt.

    A message ends at the *last* end line with its number, so that one which quotes this format in
    its body stays one message.
    """
    found = []
    at = 0
    while head := _HEAD.search(text, at):
        end_line = re.compile(
            rf"^\[hive\] end of message {head['id']}(?:; (\d{{1,9}}) more waiting)?[ \t]*$",
            re.MULTILINE,
        )
        ends = list(end_line.finditer(text, head.end()))
        if not ends:
            break
        found.append(
            PromptMessage(
                id=int(head["id"]),
                sender=head["sender"],
                body=text[head.end() : ends[-1].start()].strip("\n"),
                in_reply_to=int(parent[1]) if (parent := _PARENT.search(head["marks"])) else None,
                again="(delivered again)" in head["marks"],
                waiting=int(ends[-1][1] or 0),
                broadcast="(to all agents:" in head["marks"],
            )
        )
        at = ends[-1].end()
    return tuple(found)


def last_wake_prompt(
    request: MessagesRequest,
) -> tuple[str, tuple[PromptMessage, ...], tuple[Part, ...]]:
    """Text and messages of the conversation's last wake prompt, and what came after it.

    Only the user's own text counts: neither the model nor a tool's result can wake anybody.
    """
    for index in range(len(request.parts) - 1, -1, -1):
        part = request.parts[index]
        if isinstance(part, TextPart) and part.role == "user" and (found := messages_in(part.text)):
            return part.text, found, request.parts[index + 1 :]
    return "", (), request.parts
