"""The defects of hypercorn's Trio worker, each with the input that showed it.

`HIVE_TEST_UNHARDENED=1` runs them against plain hypercorn, where they fail.
"""

import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from functools import partial
from importlib.metadata import version
from typing import Any

import hypercorn.trio
import pytest
import trio
import trio.testing
from hypercorn.config import Config
from quart import request, websocket
from quart_trio import QuartTrio

from web import hardened

UPGRADE = (
    b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n"
)
GET = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n"
PING_FRAME = b"\x89\x80\x00\x00\x00\x00"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

HOSTILE = {
    "byte after upgrade": UPGRADE % (b"/ws", b"") + b"\x00",
    "frame with upgrade": UPGRADE % (b"/ws", b"") + PING_FRAME,
    "frame after refused upgrade": UPGRADE % (b"/nowhere", b"") + PING_FRAME * 9,
    "protocol not ascii": UPGRADE % (b"/ws", b"Sec-WebSocket-Protocol: \xff\xfe\r\n"),
    "extensions not ascii": UPGRADE % (b"/ws", b"Sec-WebSocket-Extensions: \xff\r\n"),
    "two upgrades": UPGRADE % (b"/ws", b"") * 2,
    "bad chunk": CHUNKED + b"zz\r\nhello\r\n",
    "chunk cut short": CHUNKED + b"ff\r\nhello",
    "bad chunk behind a request": GET % (b"/", b"") + CHUNKED + b"-1\r\n",
    "two lengths": GET % (b"/", b"Content-Length: 5\r\nContent-Length: 7\r\n") + b"hello",
    "http2 preface": HTTP2_PREFACE + b"\x00\x00\xff\x04\x00\x00\x00\x00\x00" + b"\xff" * 40,
    "h2c upgrade": GET % (b"/", b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: !!\r\n"),
    "tls hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
    "endless header": b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000,
    "path not ascii": b"GET /\xff%ff%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "control characters": b"GET / HTTP/1.1\r\nHost: \x00\x1b\r\n\r\n",
    "target of a bad host": GET.replace(b"%s", b"http://[fe80::/", 1) % b"",
    "half a request": b"GET / HT",
    "nothing": b"",
}  # fmt: skip


def make_app() -> QuartTrio:
    app = QuartTrio(__name__)

    @app.get("/")
    async def index() -> str:
        return "hello"

    @app.post("/read")
    async def read() -> bytes:
        return await request.get_data()  # type: ignore[return-value]

    @app.get("/huge")
    async def huge() -> str:
        return "x" * 20_000_000

    @app.websocket("/ws")
    async def echo() -> None:
        while True:
            await websocket.send(await websocket.receive())

    @app.websocket("/flood")
    async def flood() -> None:
        while True:
            await websocket.send("x" * 10_000)

    return app


class Server:
    """A server of the test's own nursery."""

    def __init__(self) -> None:
        self.port = 0
        self.stop = trio.Event()
        self.ended = trio.Event()

    async def run(
        self, config: Config, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        serve = hypercorn.trio.serve if os.environ.get("HIVE_TEST_UNHARDENED") else hardened.serve
        async with trio.open_nursery() as nursery:
            binds = await nursery.start(
                partial(serve, make_app(), config, shutdown_trigger=self.stop.wait)
            )
            self.port = int(binds[0].rsplit(":", 1)[1])
            task_status.started()
        self.ended.set()

    async def ask(self, data: bytes) -> trio.SocketStream:
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        await stream.send_all(data)
        return stream

    async def answers(self) -> bool:
        with trio.fail_after(5):
            async with await self.ask(GET % (b"/", b"Connection: close\r\n")) as stream:
                return (await stream.receive_some(100)).startswith(b"HTTP/1.1 200")


@asynccontextmanager
async def running(
    keep_alive: float = 60, graceful: float = 0.3, most_message: int = 1 << 20
) -> AsyncIterator[Server]:
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.errorlog = None
    config.keep_alive_timeout = keep_alive
    config.graceful_timeout = graceful
    config.websocket_max_message_size = most_message
    server = Server()
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run, config)
        yield server
        server.stop.set()
        with trio.fail_after(5):
            await server.ended.wait()


def test_the_version_that_these_tests_are_for() -> None:
    assert version("hypercorn") == "0.18.0"


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_bytes_end_only_their_connection(name: str, reset: bool) -> None:
    async with running() as server:
        for pause in (0, 0.01):
            stream = await server.ask(HOSTILE[name])
            await trio.sleep(pause)
            if reset:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await stream.aclose()
        await trio.testing.wait_all_tasks_blocked(0.005)
        assert await server.answers()


@pytest.mark.parametrize("path", [b"/flood", b"/huge"])
async def test_shutdown_does_not_wait_for_a_peer_that_does_not_read(path: bytes) -> None:
    async with running() as server:
        request = UPGRADE if path == b"/flood" else GET
        async with await server.ask(request % (path, b"")):
            await trio.sleep(0.2)  # until the kernel's buffers are full
            server.stop.set()
            with trio.fail_after(2):
                await server.ended.wait()


async def test_a_peer_that_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardened, "SEND_TIMEOUT", 0.2)
    async with running() as server, await server.ask(GET % (b"/huge", b"")) as stream:
        await trio.sleep(0.5)
        with trio.fail_after(5):
            received = 0
            try:
                while data := await stream.receive_some():
                    received += len(data)
            except trio.BrokenResourceError:
                pass
        assert received < 20_000_000


async def read_to_end(stream: trio.SocketStream) -> bytes:
    data = b""
    while more := await stream.receive_some():
        data += more
    return data


async def test_connection_close_is_honoured() -> None:
    request = GET % (b"/", b"Connection: close\r\n")
    async with running() as server, await server.ask(request) as stream:
        with trio.fail_after(2):
            assert (await read_to_end(stream)).endswith(b"hello")


async def test_idle_keep_alive_connection_is_closed_in_time() -> None:
    async with running(keep_alive=0.2) as server, await server.ask(GET % (b"/", b"")) as stream:
        with trio.fail_after(2):
            assert (await read_to_end(stream)).endswith(b"hello")


async def test_shutdown_does_not_wait_for_idle_keep_alive() -> None:
    async with running(graceful=30) as server, await server.ask(GET % (b"/", b"")) as stream:
        assert await stream.receive_some()
        server.stop.set()
        with trio.fail_after(2):
            await server.ended.wait()


async def test_keep_alive_still_serves_a_second_request() -> None:
    async with running() as server, await server.ask(GET % (b"/", b"")) as stream:
        for _ in range(3):
            with trio.fail_after(2):
                data = b""
                while not data.endswith(b"hello"):
                    data += await stream.receive_some()
            await stream.send_all(GET % (b"/", b""))


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
async def test_a_handler_that_only_sends_does_not_freeze_the_loop(reset: bool) -> None:
    async with running() as server:
        stream = await server.ask(UPGRADE % (b"/flood", b""))
        assert (await stream.receive_some(12)) == b"HTTP/1.1 101"
        if reset:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await stream.aclose()
        assert await server.answers()


async def test_no_deflate() -> None:
    offer = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
    async with running() as server, await server.ask(UPGRADE % (b"/ws", offer)) as stream:
        answer = await stream.receive_some()
    assert answer.startswith(b"HTTP/1.1 101")
    assert b"deflate" not in answer.lower()


HALF_BODY = b"POST /read HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50\r\n\r\n{"


@pytest.mark.parametrize("target", [b"https://[::1:2/x", b"http://[/ws", b"?since=0", b"*", b"x"])
@pytest.mark.parametrize("request_", [GET, UPGRADE], ids=["http", "websocket"])
async def test_a_target_that_is_no_path_is_a_bad_request(request_: bytes, target: bytes) -> None:
    async with running() as server:
        with trio.fail_after(5):
            async with await server.ask(request_ % (target, b"Connection: close\r\n")) as stream:
                assert (await read_to_end(stream)).startswith((b"HTTP/1.1 400", b"HTTP/1.1 404"))


async def test_a_body_without_end_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardened, "MOST_CONNECTIONS", 20)
    async with running() as server, AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(await server.ask(HALF_BODY)) for _ in range(60)]
        for _ in range(3):
            assert await server.answers()
        with trio.fail_after(5):
            assert await read_to_end(streams[0]) == b""


async def test_who_works_is_not_closed_for_those_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardened, "MOST_CONNECTIONS", 10)
    async with (
        running() as server,
        await server.ask(UPGRADE % (b"/ws", b"")) as page,
        AsyncExitStack() as stack,
    ):
        assert (await page.receive_some(12)) == b"HTTP/1.1 101"
        for _ in range(40):
            await stack.enter_async_context(await server.ask(HALF_BODY))
        assert await server.answers()
        await page.send_all(b"\x81\x82\x00\x00\x00\x00hi")
        with trio.fail_after(5):
            data = b""
            while not data.endswith(b"\x81\x02hi"):
                data += await page.receive_some() or pytest.fail("it was closed")


class FakeConnection:
    def __init__(self, address: str, waits: bool = True) -> None:
        self.address, self.waits, self.since, self.dropped = address, waits, 0.0, False

    def waits_for_peer(self) -> bool:
        return self.waits

    def drop(self) -> None:
        self.dropped = True


def test_who_has_the_most_gives_up_its_oldest() -> None:
    connections: Any = hardened.Connections(5)
    first, second = FakeConnection("::1"), FakeConnection("127.0.0.1", waits=False)
    greedy = [FakeConnection("127.0.0.1") for _ in range(3)]
    with ExitStack() as stack:
        for one in (first, second, *greedy):
            stack.enter_context(connections.entered(one))
        assert not any(one.dropped for one in (first, second, *greedy))
        newest = FakeConnection("::1")
        stack.enter_context(connections.entered(newest))
        dropped = [one.dropped for one in (first, second, *greedy, newest)]
        assert dropped == [False, False, True, False, False, False]


@pytest.mark.parametrize(
    "data",
    [
        HALF_BODY,
        b"GET / HTTP/1.1\r\nHost: 12",
        GET.replace(b"GET", b"POST") % (b"/read", b"Transfer-Encoding: chunked\r\n"),
        UPGRADE.replace(b"Sec-WebSocket-Key: ", b"X: ") % (b"/ws", b""),
        UPGRADE % (b"/ws", b"") + PING_FRAME,
        HTTP2_PREFACE,
    ],
    ids=["body", "header", "chunk", "handshake", "early frame", "http2"],
)
async def test_what_does_not_come_to_its_end_is_cut(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardened, "PATIENCE", 0.2)
    monkeypatch.setattr(hardened, "LOOK_EVERY", 0.05)
    async with running() as server, await server.ask(data) as stream:
        with trio.fail_after(5):
            await read_to_end(stream)


async def test_a_websocket_message_without_end_does_not_grow() -> None:
    upgrade = UPGRADE % (b"/ws", b"")
    async with running(most_message=1000) as server, await server.ask(upgrade) as stream:
        assert (await stream.receive_some(12)) == b"HTTP/1.1 101"
        with trio.fail_after(5), suppress(trio.BrokenResourceError):
            await stream.send_all(b"\x01\xe4\x00\x00\x00\x00" + b"x" * 100)
            while True:
                await stream.send_all(b"\x00\xe4\x00\x00\x00\x00" + b"x" * 100)
