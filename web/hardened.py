"""Hypercorn's Trio worker, hardened against eight defects of hypercorn 0.18.0 and quart-trio.

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
5. A request target that is no path (`http://[::1/`, `?x`, `*`) raises in quart. Here it is 400.
6. Nothing ends a connection whose body or websocket handshake never comes to its end, and nothing
   bounds how many there are: a thousand of them use up the process's files, and nobody else is
   heard. Here `Connections` ends those that wait for their peer for too long and, when there are
   too many, the oldest of them.
7. A websocket message without an end grows in memory although it has been refused as too big. Here
   the connection is dropped.
8. Any peer may choose HTTP/2, with streams that no deadline of ours sees. Here it is not spoken.

It replaces private names, hence the exact pin of hypercorn and a test for each defect.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

import h11
import hypercorn.protocol.h11
import hypercorn.protocol.ws_stream
import hypercorn.trio
import hypercorn.trio.run
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.ws_stream import ASGIWebsocketState, WebsocketBuffer, WSStream
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

MOST_CONNECTIONS = 256
"""Open at once; far below the files that a process may open, far above what the page needs."""

PATIENCE = 10.0
"""Seconds in which a peer that has begun a request must come to its end."""

LOOK_EVERY = 1.0

_log = logging.getLogger("hive.web")


class HardenedTCPServer(TCPServer):
    """One connection whose faults stay its own and whose sends end (defects 1 and 2)."""

    def __init__(self, *args: Any, connections: "Connections") -> None:
        super().__init__(*args)
        self._connections = connections
        self.since = trio.current_time()
        """When it began to wait for its peer, as far as `Connections` has seen."""
        self.requests = 0
        try:
            self.address = str(self.stream.socket.getpeername()[0])
        except OSError:  # it has left already
            self.address = ""

    async def run(self) -> None:
        """Serve the connection to its end; its faults are logged and end nothing else."""
        with self._connections.entered(self):
            try:
                await super().run()
            except* Exception as faults:
                _log.warning("connection dropped: %r", _first(faults))
                await trio.aclose_forcefully(self.stream)

    def waits_for_peer(self) -> bool:
        """Return whether it is the peer's turn: its request or its handshake is not whole.

        So waits, too, a connection that is kept alive, and one that has been answered for good.
        """
        try:
            protocol: Any = self.protocol.protocol
        except AttributeError:  # it begins
            return True
        if protocol.keep_alive_requests != self.requests:
            self.requests, self.since = protocol.keep_alive_requests, trio.current_time()
        if isinstance(protocol.stream, WSStream):
            stream = protocol.stream
            return stream.closed or stream.state is not ASGIWebsocketState.CONNECTED
        connection = protocol.connection
        return connection.their_state is not h11.DONE or connection.our_state is h11.DONE

    def drop(self) -> None:
        """Close the connection; its task sees that and ends."""
        self.stream.socket.close()

    async def protocol_send(self, event: Event) -> None:
        """Send what the protocol has written, and drop a peer that does not read it."""
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


class Connections:
    """Those that are open: `most` at once, none of which waits for its peer for long (defect 6)."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[HardenedTCPServer, None] = {}  # in the order of their arrival

    @contextmanager
    def entered(self, one: HardenedTCPServer) -> Iterator[None]:
        """Count a connection for the block; another one may have to go for it, or it itself."""
        self._open[one] = None
        if len(self._open) > self._most:
            _log.warning("more than %d connections: the oldest idle one is closed", self._most)
            self._make_room()
        try:
            yield
        finally:
            self._open.pop(one, None)

    async def look_after(self) -> NoReturn:
        """Drop, for ever, those that have waited for their peer for `PATIENCE` seconds."""
        while True:
            await trio.sleep(LOOK_EVERY)
            now = trio.current_time()
            for one in tuple(self._open):
                if not one.waits_for_peer():
                    one.since = now
                elif now - one.since >= PATIENCE:
                    self._drop(one)

    def _make_room(self) -> None:
        """One client must not keep another one out: who has the most gives up its oldest."""
        held = Counter(one.address for one in self._open)
        waiting = [one for one in self._open if one.waits_for_peer()]  # the newest is among them
        self._drop(max(waiting, key=lambda one: held[one.address]))

    def _drop(self, one: HardenedTCPServer) -> None:
        del self._open[one]
        one.drop()


class BoundedBuffer(WebsocketBuffer):
    """A websocket's message whose end must come before it is too long (defect 7)."""

    def extend(self, event: Any) -> None:
        """Add a piece of the message; raises ValueError when it becomes too long."""
        if self.length + len(event.data) > self.max_length:
            raise ValueError(f"a websocket message of more than {self.max_length} bytes")
        super().extend(event)


async def _no_http2(*_: Any) -> None:
    """What asks for HTTP/2 is answered in HTTP/1.1 (defect 8)."""


def _first(faults: BaseExceptionGroup[BaseException]) -> BaseException:
    fault: BaseException = faults
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    return fault


def harden(app: ASGIFramework) -> ASGIFramework:
    """Wrap `app` against the defects 3, 4 and 5.

    The last send of a response is finished, websocket sends are checkpoints, and no target is seen
    that is not a path.
    """

    async def hardened(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "lifespan" and not scope["path"].startswith("/"):
            await _refuse("websocket.http" if scope["type"] == "websocket" else "http", send)
        elif scope["type"] == "http":
            await app(scope, receive, _finishing(send))
        elif scope["type"] == "websocket":
            with trio.CancelScope() as handling:
                await app(scope, receive, _yielding(send, handling))
        else:
            await app(scope, receive, send)

    return hardened


async def _refuse(kind: str, send: Any) -> None:
    """Answer 400: the target is no path of this server."""
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": f"{kind}.response.start", "status": 400, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": b"", "more_body": False})


def _finishing(send: ASGISendCallable) -> ASGISendCallable:
    async def finishing(message: ASGISendEvent) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            with trio.move_on_after(FINISH_TIMEOUT, shield=True):
                await send(message)
        else:
            await send(message)

    return finishing


def _yielding(send: ASGISendCallable, handling: trio.CancelScope) -> ASGISendCallable:
    async def yielding(message: ASGISendEvent) -> None:
        await trio.lowlevel.checkpoint()
        try:
            await send(message)
        except h11.LocalProtocolError:  # the peer spoke before the handshake's end: refused already
            handling.cancel()
            await trio.lowlevel.checkpoint()

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
    """Serve `app` until `shutdown_trigger` returns; starts with the list of bound addresses.

    Connections then have `config.graceful_timeout` seconds. Raises OSError when binding fails.
    """
    connections = Connections(MOST_CONNECTIONS)
    server = partial(HardenedTCPServer, connections=connections)
    hypercorn.trio.run.TCPServer = server  # type: ignore[attr-defined, assignment]
    hypercorn.protocol.h11.H11Protocol._check_protocol = _no_http2  # type: ignore[assignment, method-assign]
    hypercorn.protocol.ws_stream.WebsocketBuffer = BoundedBuffer  # type: ignore[misc]
    hypercorn.protocol.ws_stream.server_extensions_handshake = _refuse_extensions  # type: ignore[attr-defined, assignment]
    start = partial(
        hypercorn.trio.serve,
        harden(app),
        config,
        shutdown_trigger=shutdown_trigger,
        mode="asgi",
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connections.look_after)
        async with trio.open_nursery() as serving:
            task_status.started(await serving.start(start))
        nursery.cancel_scope.cancel()
