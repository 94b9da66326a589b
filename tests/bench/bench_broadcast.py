"""One agent sends to 200 others, all of which wait for work: until the last has its lease.

In the broker alone, which has the target, and by sockets to another process: there the work of 201
clients, all of them in this process, is in the times too. The broadcast is on disk before its
sender has the answer, and each lease before it is given.
"""

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import trio
import trio.testing
from bench.figures import Book
from bench.served import served
from support.directories import Named

from hive.broker import Broker, Draft
from hive.events import Hub
from hive.link import Peer, connect
from hive.rate import Rate
from hive.store import MIGRATIONS, open_store, writer
from hive.wire.codec import PROTOCOL
from hive.wire.frames import Hello
from hive.wire.messages import Send
from hive.wire.names import EVERYBODY
from hive.wire.turns import Finish, Outcome, Take, Taken, TurnReport

AGENTS = 200
ROUNDS = 20
SETTLED_S = 0.2
DEADLINE_S = 30.0
TARGET_MS = 50
BODY = "Look at the news."
NAMES = [f"agent-{number}" for number in range(AGENTS + 1)]
PART = f"Broadcast to {AGENTS} agents"


async def in_broker(broker: Broker) -> tuple[float, float]:
    """Seconds until the last of those that wait is woken, and until the last has its lease."""
    woken: list[float] = []
    leased: list[float] = []

    async def receive(name: str) -> None:
        await broker.wait_queued(name)
        woken.append(time.perf_counter())
        lease = await broker.lease(name, "harness", name)
        leased.append(time.perf_counter())
        assert lease is not None
        await everybody.wait()
        await broker.ack(lease.id, "harness")

    everybody = trio.Event()
    async with trio.open_nursery() as nursery:
        for name in NAMES[1:]:
            nursery.start_soon(receive, name)
        await trio.testing.wait_all_tasks_blocked(SETTLED_S)
        began = time.perf_counter()
        await broker.send(Draft(NAMES[0], EVERYBODY, BODY))
        await trio.testing.wait_all_tasks_blocked(SETTLED_S)
        everybody.set()
    assert len(leased) == AGENTS
    return max(woken) - began, max(leased) - began


async def by_sockets(sender: Peer, receivers: Sequence[Peer]) -> tuple[float, float]:
    """Seconds until the sender's answer, and until the last receiver has its lease."""
    leases: list[float] = []

    async def receive(peer: Peer) -> None:
        taken = await peer.request(Take(DEADLINE_S), timeout=2 * DEADLINE_S)
        leases.append(time.perf_counter())
        assert isinstance(taken, Taken) and taken.lease is not None
        if len(leases) == len(receivers):
            everybody.set()
        await everybody.wait()
        await peer.request(
            Finish(taken.lease.id, TurnReport(Outcome.COMPLETED)), timeout=DEADLINE_S
        )

    everybody = trio.Event()
    async with trio.open_nursery() as nursery:
        for peer in receivers:
            nursery.start_soon(receive, peer)
        await trio.sleep(SETTLED_S)  # all of them wait at the daemon now
        began = time.perf_counter()
        await sender.request(Send(EVERYBODY, BODY), timeout=DEADLINE_S)
        answered = time.perf_counter()
    return answered - began, max(leases) - began


async def test_in_the_broker(tmp_path: Path, book: Book) -> None:
    commits = 0

    def count(*_: object) -> bool:
        nonlocal commits
        commits += 1
        return False

    async with open_store(tmp_path / "store.sqlite", MIGRATIONS) as store:
        hub = Hub(store)
        await hub.load()
        often = Rate(burst=1_000, every=0.001)
        broker = Broker(
            store, publish=hub.publish, directory=Named(lambda: NAMES), broadcasts=often
        )
        await broker.load()
        times = [await in_broker(broker) for _ in range(ROUNDS)]
        await store.write(lambda c: c.set_commit_hook(count))
        before = commits
        await broker.send(Draft(NAMES[0], EVERYBODY, BODY))
        sent_by = commits - before
    book.add(PART, "commits of one broadcast", sent_by, "", at_most=1)
    book.times(PART, "broker: the last is woken", [woken for woken, _ in times], p50=TARGET_MS)
    book.times(PART, "broker: the last has its lease", [last for _, last in times], p50=TARGET_MS)


async def test_by_sockets(tmp_path: Path, book: Book) -> None:
    async with AsyncExitStack() as stack:
        server = stack.enter_context(served(tmp_path / "hive", AGENTS + 1, writer.MAX_BATCH))
        peers = []
        for path in server.sockets:
            hello = Hello(PROTOCOL, "harness", path.parent.name)
            peers.append((await stack.enter_async_context(connect(path, hello)))[0])
        sender, *receivers = peers
        times = [await by_sockets(sender, receivers) for _ in range(ROUNDS)]
    book.times(PART, "sockets: the sender has its answer", [answered for answered, _ in times])
    book.times(PART, "sockets: the last has its lease", [last for _, last in times])
