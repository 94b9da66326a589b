"""A server on a real unix socket, and peers that speak raw bytes."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import define, field
from wsproto import ConnectionType, WSConnection
from wsproto.events import Event, Request, TextMessage

from hive.link import LinkError, LinkLimits, Peer, Session, serve
from hive.wire.bodies import AgentBody, Body
from hive.wire.bounds import MAX_FRAME
from hive.wire.codec import PROTOCOL, encode_frame
from hive.wire.frames import Hello, Push
from hive.wire.harness import Report
from hive.wire.messages import Send, Sent

QUICK = LinkLimits(close=0.2)


class Recorder(Session):
    """Answers each `Send` with its length; keeps what happened."""

    requests = AgentBody
    pushes = Report | Send

    def __init__(self) -> None:
        self.peer: Peer | None = None
        self.linked = trio.Event()
        self.gone = trio.Event()
        self.closings: list[str | None] = []
        self.got: list[Body] = []

    async def run(self, peer: Peer) -> None:
        self.peer = peer
        self.linked.set()

    async def handle(self, peer: Peer, body: Body) -> Body:
        match body:
            case Send(to="nobody"):
                raise LinkError("unknown_recipient", "there is no 'nobody'")
            case Send(to="talkative"):
                raise LinkError("why", "because " * MAX_FRAME)
            case Send(to="bug"):
                raise KeyError("a bug of the handler")
            case Send(to="never"):
                await trio.sleep_forever()
            case Send():
                return Sent(len(body.body))
        raise LinkError("reached", "what is not allowed never gets here")

    def pushed(self, peer: Peer, body: Body) -> None:
        if isinstance(body, Send) and body.to == "bug":
            raise KeyError("a bug of the receiver")
        self.got.append(body)

    def closed(self, peer: Peer) -> None:
        self.closings.append(peer.reason)
        self.gone.set()


@define
class Hive:
    """A running server: its path, and the sessions it gave so far."""

    path: Path
    scope: trio.CancelScope
    accepted: trio.Event = field(factory=trio.Event)
    sessions: list[Session] = field(factory=list)


Serving = Callable[..., AbstractAsyncContextManager[Hive]]


@pytest.fixture
def serving(tmp_path: Path) -> Serving:
    """`async with serving(make_session, limits=…) as hive`: serves until the body ends."""

    @asynccontextmanager
    async def run(
        make: Callable[[], Session] = Recorder,
        *,
        limits: LinkLimits = QUICK,
        path: Path | None = None,
    ) -> AsyncIterator[Hive]:
        path = path or tmp_path / "hive.sock"

        async def accept(hello: Hello, _: object) -> Session:
            hive.sessions.append(make())
            hive.accepted.set()
            return hive.sessions[-1]

        async with trio.open_nursery() as nursery:
            hive = Hive(path, nursery.cancel_scope)
            await nursery.start(
                lambda task_status: serve(hive.path, accept, limits=limits, task_status=task_status)
            )
            yield hive
            nursery.cancel_scope.cancel()

    return run


class Raw:
    """A peer that speaks the websocket by hand, so that it can break every rule."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.ws = WSConnection(ConnectionType.CLIENT)

    @classmethod
    async def dial(cls, path: Path) -> "Raw":
        return cls(await trio.open_unix_socket(path))

    async def upgrade(self) -> None:
        await self.stream.send_all(self.ws.send(Request(host="hive", target="/")))
        await self.event()

    async def greet(self) -> None:
        """Upgrade, say hello and take the welcome."""
        await self.upgrade()
        await self.say(encode_frame(Hello(PROTOCOL, "harness", "i-1")).decode())
        await self.hear()

    async def say(self, text: str) -> None:
        await self.stream.send_all(self.ws.send(TextMessage(text)))

    async def push(self, body: Body) -> None:
        await self.say(encode_frame(Push(body)).decode())

    async def event(self) -> Event | None:
        """The next thing the server says; None at the end."""
        while True:
            for event in self.ws.events():
                return event
            try:
                data = await self.stream.receive_some()
            except trio.BrokenResourceError:
                data = b""
            if not data:
                return None
            self.ws.receive_data(data)

    async def hear(self) -> str:
        """The next whole text."""
        text = ""
        while True:
            event = await self.event()
            assert isinstance(event, TextMessage), event
            text += event.data
            if event.message_finished:
                return text

    async def until_end(self) -> list[Event]:
        """Everything that comes until the server closes."""
        events = []
        while (event := await self.event()) is not None:
            events.append(event)
        return events


@pytest.fixture
def raw() -> type[Raw]:
    return Raw


@pytest.fixture
def recorder() -> type[Recorder]:
    return Recorder


@pytest.fixture
def quick() -> LinkLimits:
    return QUICK


@pytest.fixture
def descriptors() -> Callable[[], int]:
    """Count this process's open file descriptors."""
    return lambda: len(list(Path("/proc/self/fd").iterdir()))
