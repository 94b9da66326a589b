"""The scripted Messages API as an HTTP server on loopback."""

import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

import h11
import trio
from attrs import frozen

from hive.demo import render
from hive.demo.connection import ClientGone, Connection, HttpRequest, TooLarge
from hive.demo.failures import ApiError, FailKind, api_error
from hive.demo.reply import Delay, Drop, Fail, LimitHeaders, ModelAnswer, Page, Reply, Stall
from hive.demo.request import BadRequest, MessagesRequest, parse
from hive.demo.script import Script

LOOPBACK = "127.0.0.1"
_FOREVER = 10.0 * 365 * 86400
_log = logging.getLogger(__name__)


async def serve(
    script: Script,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    control: bool = False,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer from `script` until cancelled; starts with the port. `control` opens /control/….

    Raises ValueError for any host but 127.0.0.1, OSError when the port is taken.
    """
    if host != LOOPBACK:
        raise ValueError(f"{host!r} is refused: the scripted API listens on {LOOPBACK} only")
    listeners = await trio.open_tcp_listeners(port, host=host)
    task_status.started(listeners[0].socket.getsockname()[1])
    service = Service(script, control)
    await trio.serve_listeners(service.connection, listeners)


class _Dropped(Exception):
    """The script wants this connection closed."""


@frozen
class Service:
    """Answers connections from `script`; `control` opens /control/…."""

    script: Script
    control: bool = False

    async def connection(self, stream: trio.SocketStream) -> None:
        """Serve one connection to its end; a failure is logged and ends only this connection."""
        connection = Connection(stream)
        try:
            while request := await connection.receive():
                await self._answer(connection, request)
        except (ClientGone, _Dropped):
            pass
        except TooLarge:
            await _final_error(connection, api_error(FailKind.TOO_LARGE, model=""))
        except h11.RemoteProtocolError as error:
            await _final_error(connection, ApiError(400, "invalid_request_error", str(error)))
        except Exception:  # one connection must not end the others
            _log.exception("a connection of the scripted API failed")
        finally:
            await trio.aclose_forcefully(stream)

    async def _answer(self, connection: Connection, http: HttpRequest) -> None:
        if http.method == "HEAD":
            await connection.respond(200)
        elif handler := self._routes().get((http.method, http.path)):
            await handler(connection, http)
        else:
            await _error(connection, ApiError(404, "not_found_error", f"no such path: {http.path}"))

    def _routes(self) -> "dict[tuple[str, str], _Handler]":
        routes: dict[tuple[str, str], _Handler] = {
            ("POST", "/v1/messages"): self._messages,
            ("POST", "/v1/messages/count_tokens"): _count_tokens,
            ("GET", "/portal"): _portal,
        }
        if self.control:
            routes |= {
                ("POST", "/control/rules"): self._add_rules,
                ("GET", "/control/rules"): self._list_rules,
                ("DELETE", "/control/rules"): self._clear_rules,
                ("GET", "/control/requests"): self._list_requests,
            }
        return routes

    async def _messages(self, connection: Connection, http: HttpRequest) -> None:
        try:
            request = parse(http.body)
        except BadRequest as error:
            await _error(connection, ApiError(400, "invalid_request_error", str(error)))
        else:
            await _reply(connection, request, self.script.decide(request, _auth(http)))

    async def _add_rules(self, connection: Connection, http: HttpRequest) -> None:
        from hive.demo.control import BadRules, rules_from_json  # slow import, for tests only

        try:
            self.script.add(*rules_from_json(http.body))
        except BadRules as error:
            await _error(connection, ApiError(400, "invalid_request_error", str(error)))
        else:
            await connection.respond(200, json.dumps({"rules": len(self.script.rules)}).encode())

    async def _list_rules(self, connection: Connection, _: HttpRequest) -> None:
        from hive.demo.control import rules_to_json

        await connection.respond(200, rules_to_json(self.script.rules))

    async def _clear_rules(self, connection: Connection, _: HttpRequest) -> None:
        self.script.clear()
        await connection.respond(200, json.dumps({"rules": 0}).encode())

    async def _list_requests(self, connection: Connection, _: HttpRequest) -> None:
        from hive.demo.control import requests_to_json

        await connection.respond(200, requests_to_json(list(self.script.requests)))


_Handler = Callable[[Connection, HttpRequest], Awaitable[None]]


async def _count_tokens(connection: Connection, http: HttpRequest) -> None:
    body = json.dumps({"input_tokens": render.tokens(len(http.body))}).encode()
    await connection.respond(200, body)


async def _portal(connection: Connection, _: HttpRequest) -> None:
    await _page(connection, Page())


async def _reply(
    connection: Connection,
    request: MessagesRequest,
    reply: Reply,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> None:
    match reply:
        case Delay(seconds, then):
            await connection.pause(seconds)
            await _reply(connection, request, then, headers)
        case LimitHeaders(reply=then):
            more = render.limit_headers(reply, time.time())
            await _reply(connection, request, then, {**headers, **more})
        case Fail():
            await _fail(connection, request, reply, headers)
        case Page():
            await _page(connection, reply)
        case Stall() | Drop() if reply.at == "headers" or not request.stream:
            await _break_off(connection, reply)
        case Stall() | Drop():
            await connection.start_stream(headers)
            await connection.send(render.broken_stream(request, _id(), reply.text))
            await _break_off(connection, reply)
        case ModelAnswer():
            await _send_answer(connection, request, reply, headers)
        case _:
            raise TypeError(f"{reply!r} has to be resolved before it can be sent")


async def _send_answer(
    connection: Connection,
    request: MessagesRequest,
    answer: ModelAnswer,
    headers: Mapping[str, str],
) -> None:
    if not request.stream:
        await connection.respond(200, render.message(answer, request, _id()), headers)
        return
    await connection.start_stream(headers)
    for wait, data in render.stream(answer, request, _id()):
        if wait:
            await connection.pause(wait)
        if data:
            await connection.send(data)
    await connection.end_stream()


async def _fail(
    connection: Connection,
    request: MessagesRequest,
    fail: Fail,
    headers: Mapping[str, str],
) -> None:
    error = render.error_of(fail, request)
    all_headers = {**headers, **render.fail_headers(fail, time.time())}
    if not (fail.in_stream and request.stream):
        await _error(connection, error, all_headers)
        return
    await connection.start_stream(headers)
    await connection.send(render.stream_start(request, _id()))
    await connection.send(render.event("error", **render.error_fields(error)))
    await connection.end_stream()


async def _page(connection: Connection, page: Page) -> None:
    headers = {"content-type": "text/html; charset=utf-8"}
    if page.location is not None:
        headers["location"] = page.location
    await connection.respond(page.status, page.text.encode(), headers)


async def _break_off(connection: Connection, reply: Stall | Drop) -> None:
    if isinstance(reply, Drop):
        raise _Dropped
    pinging = reply.ping is not None and reply.at == "stream"
    while True:
        await connection.pause(reply.ping if pinging and reply.ping else _FOREVER)
        await connection.send(render.event("ping"))


async def _error(
    connection: Connection, error: ApiError, headers: Mapping[str, str] = MappingProxyType({})
) -> None:
    await connection.respond(error.status, render.error_body(error), headers)


async def _final_error(connection: Connection, error: ApiError) -> None:
    try:
        await _error(connection, error)
    except (ClientGone, h11.LocalProtocolError):
        await trio.lowlevel.checkpoint()  # the answer had begun, or nobody reads it


def _auth(http: HttpRequest) -> str:
    """Which kind of credential came; never the credential."""
    kinds = ("x-api-key" in http.headers, "authorization" in http.headers)
    return {(True, True): "both", (True, False): "key", (False, True): "token"}.get(kinds, "none")


def _id() -> str:
    return f"msg_{uuid.uuid4().hex}"
