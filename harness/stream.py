"""The CLI's output protocol as typed events: what one line of its stdout says.

The parser is total: any bytes give events, never an exception, and whatever it does not know
becomes `Other`. Shapes as observed with CLI 2.1.330 (`--output-format stream-json --verbose`).
"""

import json
import math
from collections.abc import Callable
from typing import Any

from attrs import frozen

from hive.wire import Usage

Json = dict[str, Any]


@frozen
class Init:
    """A turn begins; `servers` are the MCP servers with their status."""

    session: str | None
    model: str | None
    version: str | None
    servers: tuple[tuple[str, str], ...]


@frozen
class ModelText:
    """Text that the model wrote; `nested` when a sub-agent wrote it."""

    text: str
    nested: bool


@frozen
class ToolUse:
    """The model calls a tool; `arguments` is JSON."""

    id: str
    tool: str
    arguments: str
    nested: bool


@frozen
class ToolAnswer:
    """A tool has answered."""

    id: str
    is_error: bool
    text: str
    nested: bool


@frozen
class ApiFailure:
    """The CLI's own (synthetic) line about a request that failed; `text` is the CLI's."""

    error: str | None
    api_error: str | None
    status: int | None
    resets_at: float | None
    text: str


@frozen
class Retry:
    """The CLI will ask the API again in `delay_s`; `error` from a closed list."""

    attempt: int
    delay_s: float
    error: str
    status: int | None


@frozen
class RateLimit:
    """A subscription's limit; `resets_at` in epoch seconds."""

    status: str | None
    kind: str | None
    resets_at: float | None


@frozen
class Result:
    """The end of a turn. `asked` is false for an answer to something that was not our prompt."""

    subtype: str | None
    is_error: bool
    terminal_reason: str | None
    api_error: str | None
    status: int | None
    stop_reason: str | None
    errors: tuple[str, ...]
    turns: int
    asked: bool
    session: str | None
    usage: Usage


@frozen
class Prompted:
    """What became of the user message `uuid`: queued, started, completed or cancelled."""

    uuid: str
    state: str


@frozen
class Idle:
    """The CLI waits for input: the turn is over."""


@frozen
class Asked:
    """A control request of the CLI that needs an answer."""

    request: str
    subtype: str
    server: str | None
    message: Json


@frozen
class Withdrawn:
    """The CLI no longer waits for the answer to its request."""

    request: str


@frozen
class Answered:
    """The answer to a control request of ours; `error` when it was refused."""

    request: str
    error: str | None


@frozen
class Other:
    """A line that is of no interest here, or not known."""

    kind: str


@frozen
class Garbage:
    """A line that is not a JSON object; `text` is its beginning."""

    text: str


StreamEvent = (
    Init
    | ModelText
    | ToolUse
    | ToolAnswer
    | ApiFailure
    | Retry
    | RateLimit
    | Result
    | Prompted
    | Idle
    | Asked
    | Withdrawn
    | Answered
    | Other
    | Garbage
)


def parse_line(line: bytes) -> tuple[StreamEvent, ...]:
    """Read one line of stdout; never raises."""
    try:
        # Not orjson: the CLI escapes lone surrogates (half an emoji), which orjson refuses.
        value = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return (Garbage(_clean(line[:200].decode("utf-8", "replace"))),)
    if not isinstance(value, dict):
        return (Garbage(_clean(line[:200].decode("utf-8", "replace"))),)
    kind = _text(value.get("type")) or ""
    reader = _READERS.get(kind)
    return reader(value) if reader else (Other(kind),)


def _system(line: Json) -> tuple[StreamEvent, ...]:
    subtype = _text(line.get("subtype")) or ""
    match subtype:
        case "init":
            servers = tuple(
                (_text(one.get("name")) or "", _text(one.get("status")) or "")
                for one in _objects(line.get("mcp_servers"))
            )
            return (
                Init(
                    _text(line.get("session_id")),
                    _text(line.get("model")),
                    _text(line.get("claude_code_version")),
                    servers,
                ),
            )
        case "api_retry":
            return (
                Retry(
                    attempt=_int(line.get("attempt")) or 0,
                    delay_s=(_number(line.get("retry_delay_ms")) or 0.0) / 1000,
                    error=_text(line.get("error")) or "unknown",
                    status=_int(line.get("error_status")),
                ),
            )
        case "session_state_changed" if line.get("state") == "idle":
            return (Idle(),)
    return (Other(f"system/{subtype}"),)


def _assistant(line: Json) -> tuple[StreamEvent, ...]:
    message = _object(line.get("message"))
    nested = line.get("parent_tool_use_id") is not None
    if line.get("is_api_error_message") is True:
        if nested:
            return (Other("assistant/nested_error"),)
        return (_api_failure(line, message),)
    events: list[StreamEvent] = []
    for block in _blocks(message.get("content")):
        match block.get("type"):
            case "text":
                events.append(ModelText(_text(block.get("text")) or "", nested))
            case "tool_use":
                events.append(
                    ToolUse(
                        _text(block.get("id")) or "",
                        _text(block.get("name")) or "",
                        _dump(block.get("input")),
                        nested,
                    )
                )
    return tuple(events) or (Other("assistant"),)


def _api_failure(line: Json, message: Json) -> ApiFailure:
    limit = _object(_object(line.get("api_error_params")).get("rate_limit_info"))
    return ApiFailure(
        error=_text(line.get("error")),
        api_error=_text(line.get("api_error")),
        status=_int(line.get("api_error_status")),
        resets_at=_epoch(limit.get("resetsAt")),
        text="\n".join(_text(one.get("text")) or "" for one in _blocks(message.get("content"))),
    )


def _user(line: Json) -> tuple[StreamEvent, ...]:
    nested = line.get("parent_tool_use_id") is not None
    events = tuple(
        ToolAnswer(
            _text(block.get("tool_use_id")) or "",
            block.get("is_error") is True,
            _flatten(block.get("content")),
            nested,
        )
        for block in _blocks(_object(line.get("message")).get("content"))
        if block.get("type") == "tool_result"
    )
    return events or (Other("user"),)


def _rate_limit(line: Json) -> tuple[StreamEvent, ...]:
    info = _object(line.get("rate_limit_info"))
    return (
        RateLimit(
            _text(info.get("status")),
            _text(info.get("rateLimitType")),
            _epoch(info.get("resetsAt")),
        ),
    )


def _result(line: Json) -> tuple[StreamEvent, ...]:
    errors = line.get("errors")
    return (
        Result(
            subtype=_text(line.get("subtype")),
            is_error=line.get("is_error") is not False,
            terminal_reason=_text(line.get("terminal_reason")),
            api_error=_text(line.get("api_error")),
            status=_int(line.get("api_error_status")),
            stop_reason=_text(line.get("stop_reason")),
            errors=tuple(_text(one) or "" for one in errors) if isinstance(errors, list) else (),
            turns=_int(line.get("num_turns")) or 0,
            asked=line.get("origin") is None and line.get("local_command") is None,
            session=_text(line.get("session_id")),
            usage=_usage(line),
        ),
    )


def _usage(line: Json) -> Usage:
    """Sum over the models since the last result (the totals are cumulative over the session)."""
    models = _object(line.get("model_usage_since_last_result"))
    each = [one for one in models.values() if isinstance(one, dict)]

    def total(name: str) -> int:
        return sum(max(0, _int(one.get(name)) or 0) for one in each)

    return Usage(
        input_tokens=total("inputTokens"),
        output_tokens=total("outputTokens"),
        cache_read_tokens=total("cacheReadInputTokens"),
        cache_write_tokens=total("cacheCreationInputTokens"),
        cost_usd=sum(max(0.0, _number(one.get("costUSD")) or 0.0) for one in each),
    )


def _lifecycle(line: Json) -> tuple[StreamEvent, ...]:
    return (Prompted(_text(line.get("command_uuid")) or "", _text(line.get("state")) or ""),)


def _control_request(line: Json) -> tuple[StreamEvent, ...]:
    request = _object(line.get("request"))
    return (
        Asked(
            _text(line.get("request_id")) or "",
            _text(request.get("subtype")) or "",
            _text(request.get("server_name")),
            _object(request.get("message")),
        ),
    )


def _control_cancel(line: Json) -> tuple[StreamEvent, ...]:
    return (Withdrawn(_text(line.get("request_id")) or ""),)


def _control_response(line: Json) -> tuple[StreamEvent, ...]:
    response = _object(line.get("response"))
    error = None
    if response.get("subtype") != "success":
        error = _text(response.get("error")) or "refused"
    return (Answered(_text(response.get("request_id")) or "", error),)


_READERS: dict[str, Callable[[Json], tuple[StreamEvent, ...]]] = {
    "system": _system,
    "assistant": _assistant,
    "user": _user,
    "rate_limit_event": _rate_limit,
    "result": _result,
    "command_lifecycle": _lifecycle,
    "control_request": _control_request,
    "control_cancel_request": _control_cancel,
    "control_response": _control_response,
}


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _blocks(content: object) -> list[Json]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return _objects(content)


def _flatten(content: object) -> str:
    """A tool result's content as text; other blocks by their type."""
    parts = (
        _text(one.get("text")) if one.get("type") == "text" else f"[{_text(one.get('type'))}]"
        for one in _blocks(content)
    )
    return "\n".join(part or "" for part in parts)


def _clean(text: str) -> str:
    """Without lone surrogates, which no encoder behind us would take."""
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text


def _text(value: object) -> str | None:
    return _clean(value) if isinstance(value, str) else None


def _dump(value: object) -> str:
    try:
        return _clean(json.dumps(value, ensure_ascii=False))
    except RecursionError:
        return "{}"


def _int(value: object) -> int | None:
    """A plain integer that fits everywhere (64 bits)."""
    return value if type(value) is int and abs(value) < 1 << 63 else None


def _number(value: object) -> float | None:
    if type(value) is int:
        return float(value) if abs(value) < 1 << 63 else None
    return value if type(value) is float and math.isfinite(value) else None


def _epoch(value: object) -> float | None:
    number = _number(value)
    return number if number is not None and number > 0 else None
