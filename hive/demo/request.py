"""A request to the Messages API, as far as the script needs it."""

import json
import re
from typing import Any, TypeAlias

from attrs import field, frozen

_AGENT = re.compile(r"You are ([a-z][a-z0-9-]{0,30}), an agent of this hive")
_OTHERS = re.compile(r"^Others in this hive: (.*)$", re.MULTILINE)
_SUMMARY = "REMINDER: Do NOT call any tools"  # only the CLI's request for a compaction says this


class BadRequest(ValueError):
    """A body that is no request; the text says what was expected."""


@frozen
class TextPart:
    """A text block of `role`."""

    role: str
    text: str


@frozen
class ToolUsePart:
    """A tool call that the model made."""

    id: str
    name: str
    arguments: dict[str, Any] = field(factory=dict)


@frozen
class ToolResultPart:
    """The result of a tool call."""

    id: str
    text: str
    is_error: bool = False


Part: TypeAlias = TextPart | ToolUsePart | ToolResultPart


@frozen
class MessagesRequest:
    """The conversation as one flat sequence of blocks; `size` in bytes."""

    model: str = "claude-demo"
    stream: bool = False
    system: str = ""
    parts: tuple[Part, ...] = ()
    tools: frozenset[str] = frozenset()
    size: int = 0

    @property
    def agent(self) -> str | None:
        """The name of the agent that asks, from the hive's system prompt; None if it has none."""
        match = _AGENT.search(self.system)
        return match[1] if match else None

    @property
    def others(self) -> tuple[str, ...]:
        """The other agents that the system prompt names."""
        match = _OTHERS.search(self.system)
        return tuple(name.strip(" .") for name in match[1].split(",")) if match else ()

    @property
    def last_text(self) -> str:
        """The user's last text; empty if there is none."""
        texts = (
            p.text for p in reversed(self.parts) if isinstance(p, TextPart) and p.role == "user"
        )
        return next(texts, "")

    @property
    def asks_summary(self) -> bool:
        """Whether the CLI wants its conversation compacted."""
        return _SUMMARY in self.last_text


def parse(body: bytes) -> MessagesRequest:
    """Read a request's body; what the script does not need is ignored.

    Raises BadRequest, with what was expected, for a body that is no request.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise BadRequest("the body must be an object")
    messages = data.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("messages: a list with at least one message is required")
    if not isinstance(data.get("model"), str):
        raise BadRequest("model: a string is required")
    parts = tuple(part for message in messages for part in _message(message))
    in_band = [p.text for p in parts if isinstance(p, TextPart) and p.role == "system"]
    return MessagesRequest(
        model=data["model"],
        stream=data.get("stream") is True,
        system="\n".join([_text(data.get("system")), *in_band]),
        parts=parts,
        tools=frozenset(str(tool.get("name")) for tool in _objects(data.get("tools"))),
        size=len(body),
    )


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(content: Any) -> str:
    """The text of a string or of a list of blocks."""
    if isinstance(content, str):
        return content
    return "\n".join(
        block["text"] for block in _objects(content) if isinstance(block.get("text"), str)
    )


def _message(message: Any) -> list[Part]:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise BadRequest("messages: each must be an object with a role")
    role, content = message["role"], message.get("content")
    if isinstance(content, str):
        return [TextPart(role, content)]
    if not isinstance(content, list):
        raise BadRequest("messages: content must be a string or a list of blocks")
    parts = (_part(role, block) for block in _objects(content))
    return [part for part in parts if part is not None]


def _part(role: str, block: dict[str, Any]) -> Part | None:
    match block:
        case {"type": "text", "text": str(text)}:
            return TextPart(role, text)
        case {"type": "tool_use", "id": str(id_), "name": str(name)}:
            arguments = block.get("input")
            return ToolUsePart(id_, name, arguments if isinstance(arguments, dict) else {})
        case {"type": "tool_result", "tool_use_id": str(id_)}:
            return ToolResultPart(id_, _text(block.get("content")), block.get("is_error") is True)
    return None
