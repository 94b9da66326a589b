"""The Model Context Protocol, as far as the CLI speaks it to a server inside of its harness.

JSON-RPC 2.0 messages over the control channel; only tools are offered.
"""

from attrs import frozen

from harness.lenient_json import Json
from harness.tools.base import BadArguments, Tool
from harness.tools.table import parse_call, schemas

_VERSION = "2025-11-25"
_METHOD_NOT_FOUND = -32601
_INVALID_REQUEST = -32600
_INVALID_PARAMS = -32602


@frozen
class ToolInvocation:
    """A call of a tool whose arguments are right; it is answered with `result` and its `id`."""

    id: str | int | None
    call: Tool


def parse_request(message: Json) -> ToolInvocation | Json:
    """The call that the message asks for, or the whole answer to any other. Never raises."""
    method, request_id, params = (
        message.get("method"),
        _id(message.get("id")),
        message.get("params"),
    )
    if not isinstance(method, str):
        return error(request_id, _INVALID_REQUEST, "a request needs a method")
    if params is not None and not isinstance(params, dict):
        return error(request_id, _INVALID_PARAMS, "params must be an object")
    params = params or {}
    match method:
        case "initialize":
            version = params.get("protocolVersion")
            return _answer(
                request_id,
                {
                    "protocolVersion": version if isinstance(version, str) else _VERSION,
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "hive", "version": "1"},
                },
            )
        case "ping":
            return _answer(request_id, {})
        case "tools/list":
            return _answer(request_id, {"tools": schemas()})
        case "tools/call":
            try:
                return ToolInvocation(
                    request_id, parse_call(params.get("name"), params.get("arguments"))
                )
            except BadArguments as wrong:
                return result(request_id, str(wrong), is_error=True)
    if method.startswith("notifications/"):
        return _answer(request_id, {})  # the control request around it wants an answer all the same
    known = "initialize, ping, tools/list, tools/call"
    return error(request_id, _METHOD_NOT_FOUND, f"unknown method {method[:60]!r}; known: {known}")


def result(request_id: str | int | None, text: str, *, is_error: bool = False) -> Json:
    """The JSON-RPC answer to a tool call; `is_error` tells the model that the tool failed."""
    content: Json = {"content": [{"type": "text", "text": text}]}
    return _answer(request_id, content | ({"isError": True} if is_error else {}))


def error(request_id: str | int | None, code: int, message: str) -> Json:
    """The answer to a request that cannot be served: a JSON-RPC error with its `code`."""
    return {"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}}


def _answer(request_id: str | int | None, value: Json) -> Json:
    return {"jsonrpc": "2.0", "id": request_id, "result": value}


def _id(value: object) -> str | int | None:
    return value if isinstance(value, str) or type(value) is int else None
