"""The CLI's output protocol: one line of its stdout to typed events.

The parser is total: any bytes give events, never an exception, and whatever it does not know
becomes `Other`. Shapes as observed with CLI 2.1.330 (`--output-format stream-json --verbose`).
"""

import json
from collections.abc import Callable

from harness.cli.stream_events import (
    ApiFailure,
    ControlCancelled,
    ControlRequest,
    ControlResponse,
    Cost,
    Garbage,
    Idle,
    Init,
    ModelText,
    ModelToolUse,
    Other,
    Prompted,
    RateLimit,
    Result,
    Retry,
    StreamEvent,
    Thought,
    ToolAnswer,
)
from harness.lenient_json import (
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
from hive.wire.turns import Usage

_SYNTHETIC = "<synthetic>"
"""The model's name in lines that the CLI wrote itself."""


def parse_line(line: bytes) -> tuple[StreamEvent, ...]:
    """The events in one line of the CLI's stdout; a line that makes no sense is `Garbage`."""
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
    if message.get("model") == _SYNTHETIC:
        return (Other("assistant/synthetic"),)
    events: list[StreamEvent] = []
    for block in as_blocks(message.get("content")):
        match block.get("type"):
            case "text":
                events.append(ModelText(as_text(block.get("text")) or "", nested))
            case "tool_use":
                events.append(
                    ModelToolUse(
                        as_text(block.get("id")) or "",
                        as_text(block.get("name")) or "",
                        dump(block.get("input")),
                        nested,
                    )
                )
            case _:
                events.append(Thought(nested))
    return tuple(events) or (Other("assistant"),)


def _api_failure(line: Json, message: Json) -> ApiFailure:
    limit = as_object(as_object(line.get("api_error_params")).get("rate_limit_info"))
    return ApiFailure(
        error=as_text(line.get("error")),
        api_error=as_text(line.get("api_error")),
        status=as_int(line.get("api_error_status")),
        resets_at=as_epoch(limit.get("resetsAt")),
        text="\n".join(as_text(one.get("text")) or "" for one in as_blocks(message.get("content"))),
        window=as_text(limit.get("rateLimitType")),
        type=as_text(line.get("api_error_type")),
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
            as_number(info.get("utilization")),
            info.get("isUsingOverage") is True,
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
            # The totals beside it are cumulative over the session.
            usage=_usage(line.get("model_usage_since_last_result")),
        ),
    )


def _usage(models: object) -> Usage:
    """Sum over the models."""
    each = [one for one in as_object(models).values() if isinstance(one, dict)]

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
        ControlRequest(
            as_text(line.get("request_id")) or "",
            as_text(request.get("subtype")) or "",
            as_text(request.get("server_name")),
            as_object(request.get("message")),
        ),
    )


def _control_cancel(line: Json) -> tuple[StreamEvent, ...]:
    return (ControlCancelled(as_text(line.get("request_id")) or ""),)


def _control_response(line: Json) -> tuple[StreamEvent, ...]:
    response = as_object(line.get("response"))
    error = None
    if response.get("subtype") != "success":
        error = as_text(response.get("error")) or "refused"
    request = as_text(response.get("request_id")) or ""
    session = as_object(as_object(response.get("response")).get("session"))
    if error is None and "model_usage" in session:
        return ControlResponse(request, None), Cost(request, _usage(session.get("model_usage")))
    return (ControlResponse(request, error),)


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
