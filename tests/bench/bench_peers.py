"""Send, lease, ack by 50 agents over real sockets: our daemon, NATS JetStream, Redis streams.

Each agent sends to the next one, takes what came for it and acknowledges it, and waits each time
until the server says that it is stored. All clients are in this process, each server is one
process. Contestants take turns in one run; medians. How strictly each syncs is in its name.
"""

import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import trio
from attrs import define, field
from bench.figures import Book
from bench.nats_client import ConsumerAgent, make_stream, nats
from bench.peer_servers import nats_server, redis_server
from bench.processes import cpu_seconds
from bench.redis_client import StreamAgent, redis
from bench.served import served

from hive.link import Peer, connect
from hive.store import writer
from hive.wire.codec import PROTOCOL
from hive.wire.frames import Hello
from hive.wire.messages import Send
from hive.wire.turns import Finish, Outcome, Take, Taken, TurnReport

AGENTS = 50
EACH = 40
ROUNDS = 7
BODY = "x" * 500
DEADLINE_S = 30.0
NAMES = [f"agent-{number}" for number in range(AGENTS)]
PART = f"Send, lease, ack over sockets, {AGENTS} agents, bodies of {len(BODY)} bytes"
OURS = "hive, synchronous=FULL"


class PeerClient(Protocol):
    """One agent's connection."""

    async def send(self, to: int, body: str) -> None: ...

    async def lease(self) -> tuple[Any, str]: ...

    async def ack(self, lease: Any) -> None: ...


@define
class Contestant:
    """A server with all its clients, and what was measured of it."""

    label: str
    pid: int
    clients: Sequence[PeerClient]
    rates: list[float] = field(factory=list)
    server: float = 0.0
    """Processor seconds of the server's process."""
    here: float = 0.0
    """Processor seconds of this process, which are those of the clients."""

    async def round(self, number: int) -> None:
        """Every agent sends and receives EACH messages."""
        got: list[str] = []
        server, here, began = cpu_seconds(self.pid), time.process_time(), time.perf_counter()
        with trio.fail_after(DEADLINE_S):
            async with trio.open_nursery() as nursery:
                for agent in range(AGENTS):
                    nursery.start_soon(self._agent, agent, number, got)
        self.rates.append(AGENTS * EACH / (time.perf_counter() - began))
        self.server += cpu_seconds(self.pid) - server
        self.here += time.process_time() - here
        wanted = {f"{number} {agent} {n} {BODY}" for agent in range(AGENTS) for n in range(EACH)}
        assert len(got) == len(wanted) and set(got) == wanted, f"{self.label} lost or doubled some"

    async def _agent(self, agent: int, number: int, got: list[str]) -> None:
        client = self.clients[agent]
        for n in range(EACH):
            await client.send((agent + 1) % AGENTS, f"{number} {agent} {n} {BODY}")
            lease, body = await client.lease()
            await client.ack(lease)
            got.append(body)


class HarnessClient:
    """An agent of the hive, as far as its messages go."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def send(self, to: int, body: str) -> None:
        await self._peer.request(Send(NAMES[to], body), timeout=DEADLINE_S)

    async def lease(self) -> tuple[str, str]:
        taken = await self._peer.request(Take(DEADLINE_S), timeout=2 * DEADLINE_S)
        assert isinstance(taken, Taken) and taken.lease is not None
        return taken.lease.id, taken.lease.messages[0].body

    async def ack(self, lease: str) -> None:
        report = TurnReport(Outcome.COMPLETED)
        await self._peer.request(Finish(lease, report), timeout=DEADLINE_S)


@asynccontextmanager
async def hive(folder: Path) -> AsyncIterator[Contestant]:
    async with AsyncExitStack() as stack:
        server = stack.enter_context(served(folder / "hive", AGENTS, writer.MAX_BATCH))
        clients = []
        for path in server.sockets:
            hello = Hello(PROTOCOL, "harness", path.parent.name)
            peer, _ = await stack.enter_async_context(connect(path, hello))
            clients.append(HarnessClient(peer))
        yield Contestant(OURS, server.pid, clients)


@asynccontextmanager
async def jetstream(folder: Path) -> AsyncIterator[Contestant]:
    async with AsyncExitStack() as stack:
        server, port = stack.enter_context(nats_server(folder / "nats"))
        links = [await stack.enter_async_context(nats(port, name)) for name in NAMES]
        clients = [ConsumerAgent(link, NAMES, number) for number, link in enumerate(links)]
        await make_stream(links[0])
        for client in clients:
            await client.prepare()
        yield Contestant(server.label, server.pid, clients)


@asynccontextmanager
async def streams(folder: Path) -> AsyncIterator[Contestant]:
    async with AsyncExitStack() as stack:
        server, path = stack.enter_context(redis_server(folder / "redis"))
        links = [await stack.enter_async_context(redis(path)) for _ in NAMES]
        clients = [StreamAgent(link, NAMES, number) for number, link in enumerate(links)]
        for client in clients:
            await client.prepare()
        yield Contestant(server.label, server.pid, clients)


async def test_peers(tmp_path: Path, book: Book) -> None:
    async with AsyncExitStack() as stack:
        opened: list[AbstractAsyncContextManager[Contestant]] = [
            hive(tmp_path),
            jetstream(tmp_path),
            streams(tmp_path),
        ]
        contestants = [await stack.enter_async_context(one) for one in opened]
        for number in range(ROUNDS):
            for contestant in contestants:
                await contestant.round(number)
    ours, *others = contestants
    for one in contestants:
        book.add(PART, one.label, statistics.median(one.rates), "1/s")
    for one in others:
        ratios = [mine / its for mine, its in zip(ours.rates, one.rates, strict=True)]
        book.add(PART, f"hive against {one.label.split(',')[0]}", statistics.median(ratios), "x")
    for one in contestants:
        name, done = one.label.split(",")[0], ROUNDS * AGENTS * EACH
        book.add(PART, f"{name}: server's processor time", one.server / done * 1e6, "us")
        book.add(PART, f"{name}: its clients' processor time", one.here / done * 1e6, "us")
