"""The operator: one link to a running hive that sends, spawns and watches."""

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import trio
from attrs import define, field
from support.running import RunningHive

from hive.link import Peer, Session, connect
from hive.paths import Paths
from hive.wire.agents import Spawn, StatusChanged
from hive.wire.bodies import Body
from hive.wire.codec import PROTOCOL
from hive.wire.daemon import GetStatus, Status
from hive.wire.events import Event, EventBatch, Follow, LiveEvent
from hive.wire.frames import Hello
from hive.wire.messages import MessageMoved, MessageState, OperatorSend, Sent
from hive.wire.states import Condition
from hive.wire.turns import TurnStarted

TURN_S = 60.0


@define(eq=False)
class Sending:
    """One message: when it was sent and when the answer came (monotonic clock), and its id."""

    id: int
    called: float
    answered: float


@define(eq=False)
class OperatorLink(Session):
    """Sends messages and keeps every event's time; all times on the monotonic clock."""

    pushes = EventBatch
    peer: Peer | None = None
    done: dict[int, float] = field(factory=dict)
    """When the event that the message is done was published."""
    begun: dict[int, float] = field(factory=dict)
    """When the event that the message's turn began was published by the daemon."""
    seen: dict[tuple[str, Condition], float] = field(factory=dict)
    """When an agent's condition was shown here last."""
    _news: trio.Event = field(factory=trio.Event)

    def pushed(self, peer: Peer, body: Body) -> None:
        if isinstance(body, EventBatch):
            for live in body.events:
                self._take(live.event, _monotonic(live))
                if isinstance(live.event, StatusChanged) and live.agent is not None:
                    self.seen[live.agent, live.event.condition] = time.monotonic()
            self._news.set()
            self._news = trio.Event()

    def _take(self, event: Event, when: float) -> None:
        match event:
            case MessageMoved(ids, MessageState.DONE):
                self.done.update(dict.fromkeys(ids, when))
            case TurnStarted(messages=ids):
                self.begun.update(dict.fromkeys(ids, when))

    async def send(self, to: str, body: str) -> Sending:
        """Send as the operator."""
        assert self.peer is not None
        called = time.monotonic()
        sent = cast(Sent, await self.peer.request(OperatorSend(to, body), timeout=30))
        return Sending(sent.id, called, time.monotonic())

    async def wait_done(self, number: int) -> float:
        """Wait for the end of the message's turn; the time at which it was acknowledged."""
        with trio.fail_after(TURN_S):
            while number not in self.done:
                await self._news.wait()
        return self.done[number]

    async def wait_seen(self, condition: Condition, names: tuple[str, ...]) -> None:
        """Wait until every one of these agents was shown in this condition."""
        with trio.fail_after(TURN_S):
            while not all((name, condition) in self.seen for name in names):
                await self._news.wait()

    async def turn(self, to: str, body: str) -> tuple[Sending, float]:
        """Send and wait for the end of the turn."""
        sending = await self.send(to, body)
        return sending, await self.wait_done(sending.id)

    async def status(self) -> Status:
        assert self.peer is not None
        return cast(Status, await self.peer.request(GetStatus(), timeout=30))

    async def populate(self, agents: int) -> tuple[str, ...]:
        """Spawn agents until there are so many and all of their harnesses are connected."""
        assert self.peer is not None
        have = len((await self.status()).agents)
        for number in range(have, agents):
            await self.peer.request(Spawn(f"a-{number}"), timeout=60)
        with trio.fail_after(120):
            while True:
                found = (await self.status()).agents
                if all(one.connected for one in found):
                    return tuple(one.name for one in found)
                await trio.sleep(0.5)  # a look costs the daemon more than it tells us


def _monotonic(live: LiveEvent) -> float:
    """Events have the wall clock's time."""
    return live.at - time.time() + time.monotonic()


@asynccontextmanager
async def operator_link(hive: RunningHive) -> AsyncIterator[OperatorLink]:
    """Connect to a hive as its operator."""
    mine = OperatorLink()
    hello = Hello(PROTOCOL, "operator", uuid.uuid4().hex)
    async with connect(Paths(hive.root).control, hello, mine) as (peer, _):
        mine.peer = peer
        await peer.request(Follow(), timeout=30)
        yield mine
