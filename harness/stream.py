"""The CLI's output protocol as typed events: what one line of its stdout says.

The parser is total: any bytes give events, never an exception, and whatever it does not know
becomes `Other`. Shapes as observed with CLI 2.1.330 (`--output-format stream-json --verbose`).
"""

import json
from collections.abc import Callable

from attrs import frozen

from harness.loose import (
    Json,
    as_blocks,
    as_epoch,
    as_int,
    as_number,
    as_object,
    as_objects,
    as_text,
    clean,
    dump,
    flat_text,
)
from hive.wire import Usage


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
        return (Garbage(clean(line[:200].decode("utf-8", "replace"))),)
    if not isinstance(value, dict):
        return (Garbage(clean(line[:200].decode("utf-8", "replace"))),)
    kind = as_text(value.get("type")) or ""
    reader = _READERS.get(kind)
    return reader(value) if reader else (Other(kind),)


def _system(line: Json) -> tuple[StreamEvent, ...]:
    subtype = as_text(line.get("subtype")) or ""
    match subtype:
        case "init":
            servers = tuple(
                (as_text(one.get("name")) or "", as_text(one.get("status")) or "")
                for one in as_objects(line.get("mcp_servers"))
            )
            return (
                Init(
                    as_text(line.get("session_id")),
                    as_text(line.get("model")),
                    as_text(line.get("claude_code_version")),
                    servers,
                ),
            )
        case "api_retry":
            return (
                Retry(
                    attempt=as_int(line.get("attempt")) or 0,
                    delay_s=(as_number(line.get("retry_delay_ms")) or 0.0) / 1000,
                    error=as_text(line.get("error")) or "unknown",
                    status=as_int(line.get("error_status")),
                ),
            )
        case "session_state_changed" if line.get("state") == "idle":
            return (Idle(),)
    return (Other(f"system/{subtype}"),)


def _assistant(line: Json) -> tuple[StreamEvent, ...]:
    message = as_object(line.get("message"))
    nested = line.get("parent_tool_use_id") is not None
    if line.get("is_api_error_message") is True:
        if nested:
            return (Other("assistant/nested_error"),)
        return (_api_failure(line, message),)
    events: list[StreamEvent] = []
    for block in as_blocks(message.get("content")):
        match block.get("type"):
            case "text":
                events.append(ModelText(as_text(block.get("text")) or "", nested))
            case "tool_use":
                events.append(
                    ToolUse(
                        as_text(block.get("id")) or "",
                        as_text(block.get("name")) or "",
                        dump(block.get("input")),
                        nested,
                    )
                )
    return tuple(events) or (Other("assistant"),)


def _api_failure(line: Json, message: Json) -> ApiFailure:
    limit = as_object(as_object(line.get("api_error_params")).get("rate_limit_info"))
    return ApiFailure(
        error=as_text(line.get("error")),
        api_error=as_text(line.get("api_error")),
        status=as_int(line.get("api_error_status")),
        resets_at=as_epoch(limit.get("resetsAt")),
        text="\n".join(as_text(one.get("text")) or "" for one in as_blocks(message.get("content"))),
    )


def _user(line: Json) -> tuple[StreamEvent, ...]:
    nested = line.get("parent_tool_use_id") is not None
    events = tuple(
        ToolAnswer(
            as_text(block.get("tool_use_id")) or "",
            block.get("is_error") is True,
            flat_text(block.get("content")),
            nested,
        )
        for block in as_blocks(as_object(line.get("message")).get("content"))
        if block.get("type") == "tool_result"
    )
    return events or (Other("user"),)


def _rate_limit(line: Json) -> tuple[StreamEvent, ...]:
    info = as_object(line.get("rate_limit_info"))
    return (
        RateLimit(
            as_text(info.get("status")),
            as_text(info.get("rateLimitType")),
            as_epoch(info.get("resetsAt")),
        ),
    )


def _result(line: Json) -> tuple[StreamEvent, ...]:
    errors = line.get("errors")
    return (
        Result(
            subtype=as_text(line.get("subtype")),
            is_error=line.get("is_error") is not False,
            terminal_reason=as_text(line.get("terminal_reason")),
            api_error=as_text(line.get("api_error")),
            status=as_int(line.get("api_error_status")),
            stop_reason=as_text(line.get("stop_reason")),
            errors=tuple(as_text(one) or "" for one in errors) if isinstance(errors, list) else (),
            turns=as_int(line.get("num_turns")) or 0,
            asked=line.get("origin") is None and line.get("local_command") is None,
            session=as_text(line.get("session_id")),
            usage=_usage(line),
        ),
    )


def _usage(line: Json) -> Usage:
    """Sum over the models since the last result (the totals are cumulative over the session)."""
    models = as_object(line.get("model_usage_since_last_result"))
    each = [one for one in models.values() if isinstance(one, dict)]

    def total(name: str) -> int:
        return sum(max(0, as_int(one.get(name)) or 0) for one in each)

    return Usage(
        input_tokens=total("inputTokens"),
        output_tokens=total("outputTokens"),
        cache_read_tokens=total("cacheReadInputTokens"),
        cache_write_tokens=total("cacheCreationInputTokens"),
        cost_usd=sum(max(0.0, as_number(one.get("costUSD")) or 0.0) for one in each),
    )


def _lifecycle(line: Json) -> tuple[StreamEvent, ...]:
    return (Prompted(as_text(line.get("command_uuid")) or "", as_text(line.get("state")) or ""),)


def _control_request(line: Json) -> tuple[StreamEvent, ...]:
    request = as_object(line.get("request"))
    return (
        Asked(
            as_text(line.get("request_id")) or "",
            as_text(request.get("subtype")) or "",
            as_text(request.get("server_name")),
            as_object(request.get("message")),
        ),
    )


def _control_cancel(line: Json) -> tuple[StreamEvent, ...]:
    return (Withdrawn(as_text(line.get("request_id")) or ""),)


def _control_response(line: Json) -> tuple[StreamEvent, ...]:
    response = as_object(line.get("response"))
    error = None
    if response.get("subtype") != "success":
        error = as_text(response.get("error")) or "refused"
    return (Answered(as_text(response.get("request_id")) or "", error),)


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
