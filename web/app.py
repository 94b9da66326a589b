"""The routes: page, snapshot, events, send, and the websocket that keeps a page up to date."""

import logging
from collections.abc import Mapping
from typing import Any

import orjson
import trio
from attrs import frozen
from quart import Response, abort, request, websocket
from quart_trio import QuartTrio
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException

from hive.link import RemoteError
from hive.wire.bounds import MOST_BODY, MOST_ROWS
from hive.wire.codec import WireError, decode, flat, jsonable
from hive.wire.events import GetEvents
from hive.wire.messages import OperatorSend
from hive.wire.names import check_name
from web.assets import Asset
from web.loopback import host_fault, origin_fault
from web.state import PageState
from web.upstream import DaemonAway, Upstream
from web.viewer import BROKEN, FULL, Goodbye, watch

MAX_VIEWERS = 100
MAX_UPLOAD = 6 * MOST_BODY + 4096
"""Bytes of a request's body: a message at its cap, every character escaped."""

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_log = logging.getLogger("hive.web")


@frozen
class SendForm:
    """What the page posts to send a message; `key` makes a repeated post harmless."""

    to: str
    body: str
    in_reply_to: int | None = None
    key: str | None = None


def create_app(state: PageState, upstream: Upstream, assets: Mapping[str, Asset]) -> QuartTrio:
    """Make the ASGI application of the page.

    `state` is what pages are shown, `upstream` passes their requests on, `assets` are the files of
    the page by name.
    """
    app = QuartTrio(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_UPLOAD
    _guard(app)
    _pages(app, assets)
    _api(app, state, upstream)
    _stream(app, state)
    return app


def _json(value: Any, status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(orjson.dumps(value), status, headers, content_type="application/json")


def _error(status: int, code: str, message: str) -> Response:
    return _json({"error": {"code": code, "message": message}}, status)


def _fault(headers: Headers, acts: bool) -> str | None:
    host = headers.get("Host")
    if (fault := host_fault(host)) or not acts:
        return fault
    return origin_fault(host, headers.get("Origin"), headers.get("Sec-Fetch-Site"))


def _guard(app: QuartTrio) -> None:
    @app.before_request
    async def check_request() -> Response | None:
        fault = _fault(request.headers, acts=request.method not in ("GET", "HEAD"))
        return _error(403, "refused", fault) if fault else None

    @app.before_websocket
    async def check_websocket() -> None:
        if _fault(websocket.headers, acts=True):
            abort(403)

    @app.after_request
    async def add_headers(response: Response) -> Response:
        response.headers.update(SECURITY_HEADERS)
        return response

    @app.errorhandler(HTTPException)
    async def http_error(error: HTTPException) -> Response:
        return _error(error.code or 500, error.name.lower(), error.description or error.name)

    @app.errorhandler(Exception)
    async def failed(error: Exception) -> Response:
        _log.error("a request failed", exc_info=error)  # in the same words for every path
        return _error(500, "internal", "the page's process failed to answer: see its log")

    @app.errorhandler(DaemonAway)
    async def daemon_away(error: DaemonAway) -> Response:
        return _error(503, "daemon_away", f"the daemon is away: {error}")

    @app.errorhandler(RemoteError)
    async def refused(error: RemoteError) -> Response:
        return _error(422, error.code, error.message)


def _pages(app: QuartTrio, assets: Mapping[str, Asset]) -> None:
    @app.get("/")
    async def page() -> Response:
        return await static("index.html")

    @app.get("/static/<name>")
    async def static(name: str) -> Response:
        if (asset := assets.get(name)) is None:
            abort(404)
        headers = {"ETag": asset.etag, "Cache-Control": "no-cache"}
        if request.headers.get("If-None-Match") == asset.etag:
            return Response(b"", 304, headers)
        return Response(asset.body, 200, headers, content_type=asset.content_type)


def _api(app: QuartTrio, state: PageState, upstream: Upstream) -> None:
    @app.get("/api/status")
    async def status() -> Response:
        return _json(jsonable(await upstream.status()))

    @app.get("/api/snapshot")
    async def snapshot() -> Response:
        await upstream.status()
        if state.away is not None:  # its history is still coming
            raise DaemonAway(state.away)
        return _json(state.snapshot())

    @app.get("/api/events")
    async def events() -> Response:
        agent = request.args.get("agent") or None
        try:
            query = GetEvents(
                agent=check_name(agent) if agent else None,
                since=_number(request.args.get("since", "0")),
                limit=min(_number(request.args.get("limit", "500")), MOST_ROWS),
            )
        except ValueError as error:
            return _error(400, "bad_request", str(error))
        found = await upstream.events(query)
        return _json({"seq": found.seq, "events": [flat(event) for event in found.events]})

    @app.post("/api/send")
    async def send() -> Response:
        if request.mimetype != "application/json":
            return _error(415, "not_json", "the content type must be application/json")
        try:
            form: SendForm = decode(await request.get_data(), SendForm)
        except WireError as error:
            return _error(400, "bad_request", str(error))
        message = OperatorSend(form.to, form.body, in_reply_to=form.in_reply_to, key=form.key)
        return _json({"id": await upstream.send(message)})


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise ValueError(f"{text[:20]!r} is not a number: 0 or more is allowed")
    return int(text)


def _stream(app: QuartTrio, state: PageState) -> None:
    @app.websocket("/ws")
    async def stream() -> None:
        try:
            since = _number(websocket.args.get("since", "0"))
        except ValueError:
            abort(400)
        await websocket.accept()
        try:
            goodbye = await _view(state, since)
        except Exception:  # Quart would close with 1000, as if all were well
            _log.exception("a websocket failed")
            goodbye = BROKEN
        if goodbye is not None:
            await websocket.close(goodbye.code, goodbye.reason)


async def _view(state: PageState, since: int) -> Goodbye | None:
    """Talk to one page; None when it left."""
    if state.viewers >= MAX_VIEWERS:
        return FULL
    goodbye: Goodbye | None = None
    with state.viewer():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_until_gone, nursery.cancel_scope)
            goodbye = await watch(state, since, _send)
            nursery.cancel_scope.cancel()
    return goodbye


async def _send(frame: bytes) -> None:
    await websocket.send(frame.decode())


async def _until_gone(scope: trio.CancelScope) -> None:
    """Drop what the page says, which is nothing, until it leaves.

    quart-trio 0.12 cancels the whole handler then; 0.13 raises from `receive`.
    """
    try:
        while True:
            await websocket.receive()
    except Exception:
        scope.cancel()
