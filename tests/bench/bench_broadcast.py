"""A message to all: from the call to the last of 200 agents that wait for one."""

from pathlib import Path

import trio
import trio.testing
from bench.figures import Book

from hive.broker import Broker, Draft
from hive.events import Hub
from hive.store import MIGRATIONS, open_store
from hive.wire import EVERYBODY

AGENTS = 200
ROUNDS = 30
PART = f"Broadcast to {AGENTS} agents, in the daemon"


async def test_broadcast(tmp_path: Path, book: Book) -> None:
    names = [f"a-{n}" for n in range(AGENTS)]
    woken, leased, stored = list[float](), list[float](), list[float]()
    async with open_store(tmp_path / "hive.sqlite", MIGRATIONS) as store:
        hub = Hub(store)
        broker = Broker(store, publish=hub.publish, recipients=lambda: names)
        await broker.load()

        async def wait(name: str, number: int, wakes: list[float]) -> None:
            await broker.wait_queued(name)
            wakes.append(trio.current_time())
            lease = await broker.lease(name, "h", f"{name}-{number}")
            assert lease is not None and lease.messages[0].broadcast_id

        for number in range(ROUNDS):
            wakes = list[float]()
            async with trio.open_nursery() as nursery:
                for name in names:
                    nursery.start_soon(wait, name, number, wakes)
                await trio.testing.wait_all_tasks_blocked()
                began = trio.current_time()
                await broker.send(Draft("operator", EVERYBODY, "x" * 500))
                stored.append(trio.current_time() - began)
            assert len(wakes) == AGENTS
            woken.append(wakes[-1] - began)
            leased.append(trio.current_time() - began)
            for name in names:
                await broker.ack(f"{name}-{number}", "h")
    book.times(PART, "call to id (one commit)", stored)
    book.times(PART, "call to the last wake", woken, p50=50, p99=50)
    book.times(PART, "call to the last lease (a commit each, grouped)", leased)
