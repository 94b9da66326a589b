"""From an agent's rejected event to the last agent told that it is parked, in the daemon.

What an event costs that tells nothing new is measured beside it: ten agents report one limit.
"""

import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
from bench.figures import Book

from hive.gate import Client, GateService, Hold
from hive.store import MIGRATIONS, open_store
from hive.supervisors import Context
from hive.wire.gates import GateCommand
from hive.wire.turns import ApiSignal, SignalKind

ROUNDS = 50
CREDENTIAL = "default"


class Told:
    """Who has been told to wait, and when the last of all was."""

    def __init__(self, count: int) -> None:
        self.clients = tuple(Client(f"a{n}", queued=1, waiting_since=n) for n in range(count))
        self.waiting: set[str] = set()
        self.at = 0.0
        self.all = trio.Event()

    def apply(self, agent: str, hold: Hold | None) -> None:
        if hold is None:
            self.waiting.discard(agent)
            return
        self.waiting.add(agent)
        if len(self.waiting) == len(self.clients):
            self.at = time.perf_counter()
            self.all.set()


@asynccontextmanager
async def gates_of(told: Told, folder: Path) -> AsyncIterator[GateService]:
    async with open_store(folder / "hive.sqlite", MIGRATIONS) as store:
        gates = GateService(store, lambda _: told.clients, told.apply, lambda *_: None)
        async with trio.open_nursery() as nursery:
            ctx = Context("gate")
            nursery.start_soon(gates.supervisor.run, ctx)
            await trio.testing.wait_all_tasks_blocked(0.01)
            await gates.ensure(CREDENTIAL)
            yield gates
            ctx.stop_requested.set()


@pytest.mark.parametrize("count", [10, 200])
async def test_gate(count: int, tmp_path: Path, book: Book) -> None:
    told, parked, repeated, looks = Told(count), [], [], []
    async with gates_of(told, tmp_path) as gates:
        for number in range(ROUNDS):
            await gates.command(GateCommand(CREDENTIAL, "release"))
            told.waiting.clear()
            told.all = trio.Event()
            said = ApiSignal(str(number), SignalKind.REJECTED, "five_hour", time.time() + 3600)
            began = time.perf_counter()
            gates.signal(CREDENTIAL, "a3", said)
            with trio.fail_after(10):
                await told.all.wait()
            parked.append(told.at - began)

            began = time.perf_counter()
            for client in told.clients:
                gates.signal(CREDENTIAL, client.name, said)
            await gates.admit(CREDENTIAL, "a1")
            repeated.append((time.perf_counter() - began) / count)

            began = time.perf_counter()
            gates.statuses()
            looks.append(time.perf_counter() - began)
    part = f"Limit gate, {count} agents of one credential"
    book.times(part, "signal to all agents told", parked, p99=100)
    book.add(part, "the same signal of another agent", statistics.median(repeated) * 1e6, "us")
    book.add(part, "what the operator sees", statistics.median(looks) * 1e3, "ms")
