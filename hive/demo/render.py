"""Replies as the Messages API sends them: headers, JSON bodies and server-sent events."""

import json
from collections.abc import Iterator
from typing import Any

from hive.demo.failures import ApiError, FailKind, api_error
from hive.demo.reply import Block, Fail, LimitHeaders, ModelAnswer, Say
from hive.demo.request import MessagesRequest

_DELTA = 40  # characters of text in one delta
_HOUR = 3600

Headers = dict[str, str]
Chunk = tuple[float, bytes]
"""Seconds to wait, then bytes to send."""


def tokens(size: int) -> int:
    """A deterministic stand-in for a token count: a quarter of the bytes, at least one."""
    return max(1, size // 4)


def event(kind: str, **fields: Any) -> bytes:
    """One server-sent event of the API."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind} | fields)}\n\n".encode()


def stream_start(request: MessagesRequest, message_id: str) -> bytes:
    """The events with which every stream starts."""
    return event("message_start", message=_message(request, message_id)) + event("ping")


def broken_stream(request: MessagesRequest, message_id: str, text: str) -> bytes:
    """The beginning of a stream that is cut off after `text`."""
    return (
        stream_start(request, message_id)
        + event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        + event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})
    )


def stream(answer: ModelAnswer, request: MessagesRequest, message_id: str) -> Iterator[Chunk]:
    """A whole answer as chunks; those that need no wait between them are one."""
    ready = stream_start(request, message_id)
    for index, block in enumerate(answer.blocks):
        ready += event(
            "content_block_start", index=index, content_block=_start(block, message_id, index)
        )
        deltas = list(_deltas(block))
        wait = block.over / len(deltas) if isinstance(block, Say) else 0.0
        for delta in deltas:
            if wait:
                yield 0.0, ready
                yield wait, b""
                ready = b""
            ready += event("content_block_delta", index=index, delta=delta)
        ready += event("content_block_stop", index=index)
    ready += event(
        "message_delta",
        delta={"stop_reason": _stop_reason(answer), "stop_sequence": None},
        usage={"output_tokens": _output(answer)},
    )
    yield 0.0, ready + event("message_stop")


def message(answer: ModelAnswer, request: MessagesRequest, message_id: str) -> bytes:
    """A whole answer as one JSON object."""
    whole = _message(request, message_id)
    whole["content"] = [_whole(block, message_id, i) for i, block in enumerate(answer.blocks)]
    whole["stop_reason"] = _stop_reason(answer)
    whole["usage"]["output_tokens"] = _output(answer)
    return json.dumps(whole).encode()


def error_of(fail: Fail, request: MessagesRequest) -> ApiError:
    """The error that `fail` stands for."""
    return api_error(fail.kind, model=request.model, message=fail.message)


def error_fields(error: ApiError) -> dict[str, Any]:
    """The object that an error's body and its SSE event hold."""
    details = {"details": {"error_code": error.code}} if error.code else {}
    return {"error": {"type": error.type, "message": error.message} | details}


def error_body(error: ApiError) -> bytes:
    """The body of an error answer."""
    return json.dumps({"type": "error"} | error_fields(error)).encode()


def fail_headers(fail: Fail, now: float) -> Headers:
    """Headers of an error answer; `now` in epoch seconds."""
    headers: Headers = {}
    retry_after, should_retry = fail.retry_after, fail.should_retry
    if fail.kind in (FailKind.LIMIT_5H, FailKind.LIMIT_7D):
        reset = fail.reset if fail.reset is not None else int(now) + _HOUR
        limits = (
            LimitHeaders("rejected", fail.claim or "five_hour", five_hour=1.0, reset=reset)
            if fail.kind is FailKind.LIMIT_5H
            else LimitHeaders("rejected", fail.claim or "seven_day", seven_day=1.0, reset=reset)
        )
        headers |= limit_headers(limits, now)
        retry_after = max(0, reset - int(now)) if retry_after is None else retry_after
        should_retry = False if should_retry is None else should_retry
    if retry_after is not None:
        headers["retry-after"] = str(retry_after)
    if should_retry is not None:
        headers["x-should-retry"] = "true" if should_retry else "false"
    return headers


def limit_headers(limits: LimitHeaders, now: float) -> Headers:
    """The headers by which the API tells a subscription how much is left."""
    reset = str(limits.reset if limits.reset is not None else int(now) + _HOUR)
    prefix = "anthropic-ratelimit-unified"
    headers = {
        f"{prefix}-status": limits.status,
        f"{prefix}-reset": reset,
        f"{prefix}-representative-claim": limits.claim,
    }
    if limits.overage:
        headers[f"{prefix}-overage-status"] = "allowed"
    for window, claim, share in (
        ("5h", "five_hour", limits.five_hour),
        ("7d", "seven_day", limits.seven_day),
    ):
        ours = claim == limits.claim
        headers[f"{prefix}-{window}-status"] = limits.status if ours else "allowed"
        headers[f"{prefix}-{window}-reset"] = reset
        headers[f"{prefix}-{window}-utilization"] = f"{share:g}"
        if ours and limits.status == "allowed_warning":
            headers[f"{prefix}-{window}-surpassed-threshold"] = f"{share:g}"
    return headers


def _message(request: MessagesRequest, message_id: str) -> dict[str, Any]:
    fresh = min(tokens(len(request.last_text)), tokens(request.size))
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": fresh,
            "cache_read_input_tokens": tokens(request.size) - fresh,
            "cache_creation_input_tokens": 0,
            "output_tokens": 1,
        },
    }


def _stop_reason(answer: ModelAnswer) -> str:
    if answer.stop_reason:
        return answer.stop_reason
    return "end_turn" if all(isinstance(block, Say) for block in answer.blocks) else "tool_use"


def _output(answer: ModelAnswer) -> int:
    sizes = (len(b.text if isinstance(b, Say) else json.dumps(b.arguments)) for b in answer.blocks)
    return tokens(sum(sizes))


def _start(block: Block, message_id: str, index: int) -> dict[str, Any]:
    if isinstance(block, Say):
        return {"type": "text", "text": ""}
    return _whole(block, message_id, index) | {"input": {}}


def _whole(block: Block, message_id: str, index: int) -> dict[str, Any]:
    if isinstance(block, Say):
        return {"type": "text", "text": block.text}
    tool_id = f"toolu_{message_id.removeprefix('msg_')}{index}"
    return {"type": "tool_use", "id": tool_id, "name": block.tool, "input": dict(block.arguments)}


def _deltas(block: Block) -> Iterator[dict[str, str]]:
    if not isinstance(block, Say):
        yield {"type": "input_json_delta", "partial_json": json.dumps(dict(block.arguments))}
        return
    for at in range(0, max(1, len(block.text)), _DELTA):
        yield {"type": "text_delta", "text": block.text[at : at + _DELTA]}
