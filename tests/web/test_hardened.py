"""The four defects of hypercorn's Trio worker, each with the input that showed it.

`HIVE_TEST_UNHARDENED=1` runs them against plain hypercorn, where they fail.
"""

import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

import hypercorn.trio
import pytest
import trio
import trio.testing
from hypercorn.config import Config
from quart import websocket
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
    "half a request": b"GET / HT",
    "nothing": b"",
}  # fmt: skip


def make_app() -> QuartTrio:
    app = QuartTrio(__name__)

    @app.get("/")
    async def index() -> str:
        return "hello"

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
async def running(keep_alive: float = 60, graceful: float = 0.3) -> AsyncIterator[Server]:
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.errorlog = None
    config.keep_alive_timeout = keep_alive
    config.graceful_timeout = graceful
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
