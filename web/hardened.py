"""Hypercorn's Trio worker, hardened against four defects of hypercorn 0.18.0 and quart-trio.

1. Only `OSError` is caught around a connection, so one malformed peer ends the whole server
   (hypercorn issue #225 is one of the ways). Here a connection's fault ends that connection.
2. Bytes are sent inside a shielded scope without a deadline, so a peer that does not read makes
   the server uncancellable. Here a send has a deadline and gives way to cancellation at once;
   then the connection is dropped, because an interrupted send may have left half a frame.
3. quart-trio cancels a request when it hears `http.disconnect`, which hypercorn announces from
   inside the response's last send: the rest of that send, which starts the idle timer or closes
   the connection, is lost. Here the last send is shielded, for a short time.
4. Once the peer is gone a websocket send returns at once without a checkpoint, so that a handler
   that only sends freezes the loop. Here every websocket send is a checkpoint.

It replaces private names, hence the exact pin of hypercorn and a test for each defect.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import hypercorn.protocol.ws_stream
import hypercorn.trio
import hypercorn.trio.run
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    ASGISendEvent,
    Scope,
)

SEND_TIMEOUT = 10.0
"""Seconds after which a peer that does not read is dropped."""

FINISH_TIMEOUT = 1.0
"""Seconds for which the last send of a response may resist cancellation."""

_log = logging.getLogger("hive.web")


class HardenedTCPServer(TCPServer):
    """One connection whose faults stay its own and whose sends end (defects 1 and 2)."""

    async def run(self) -> None:
        try:
            await super().run()
        except* Exception as faults:
            _log.warning("connection dropped: %r", _first(faults))
            await trio.aclose_forcefully(self.stream)

    async def protocol_send(self, event: Event) -> None:
        if not isinstance(event, RawData):
            await super().protocol_send(event)
            return
        try:
            async with self.send_lock:
                await self._send_or_drop(event.data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await self.protocol.handle(Closed())

    async def _send_or_drop(self, data: bytes) -> None:
        whole = False
        try:
            with trio.move_on_after(SEND_TIMEOUT):
                await self.stream.send_all(data)
                whole = True
        finally:
            if not whole:
                with trio.move_on_after(FINISH_TIMEOUT, shield=True):
                    await trio.aclose_forcefully(self.stream)
        if not whole:
            raise trio.BrokenResourceError(f"peer did not read for {SEND_TIMEOUT} s")


def _first(faults: BaseExceptionGroup[BaseException]) -> BaseException:
    fault: BaseException = faults
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    return fault


def harden(app: ASGIFramework) -> ASGIFramework:
    """`app` whose last send of a response is finished and whose websocket sends yield (3 and 4)."""

    async def hardened(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "http":
            await app(scope, receive, _finishing(send))
        elif scope["type"] == "websocket":
            await app(scope, receive, _yielding(send))
        else:
            await app(scope, receive, send)

    return hardened


def _finishing(send: ASGISendCallable) -> ASGISendCallable:
    async def finishing(message: ASGISendEvent) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            with trio.move_on_after(FINISH_TIMEOUT, shield=True):
                await send(message)
        else:
            await send(message)

    return finishing


def _yielding(send: ASGISendCallable) -> ASGISendCallable:
    async def yielding(message: ASGISendEvent) -> None:
        await trio.lowlevel.checkpoint()
        await send(message)

    return yielding


def _refuse_extensions(*_: Any) -> None:
    """No permessage-deflate: it costs 140 to 200 KiB for each browser."""


async def serve(
    app: ASGIFramework,
    config: Config,
    *,
    shutdown_trigger: Callable[[], Awaitable[None]],
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` until `shutdown_trigger` returns; started with the list of bound addresses.

    Connections then have `config.graceful_timeout` seconds. Raises OSError when binding fails.
    """
    hypercorn.trio.run.TCPServer = HardenedTCPServer  # type: ignore[attr-defined]
    hypercorn.protocol.ws_stream.server_extensions_handshake = _refuse_extensions  # type: ignore[attr-defined, assignment]
    start = partial(
        hypercorn.trio.serve,
        harden(app),
        config,
        shutdown_trigger=shutdown_trigger,
        mode="asgi",
    )
    async with trio.open_nursery() as nursery:
        task_status.started(await nursery.start(start))
