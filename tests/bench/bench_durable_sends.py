"""Durable sends with 50 concurrent senders, against one commit for each message, in one run.

The baseline is the same code on the same disk with batches of one. Rounds alternate; medians.
Through sockets there is no target: what a request costs the processor is the limit there, so that
the ratio says more about the disk than about us.
"""

import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import apsw
import pytest
import trio
from bench.figures import Book
from bench.served import served
from support.directories import Named

from hive.broker import Broker, Draft, rows
from hive.link import connect
from hive.store import MIGRATIONS, open_store, writer
from hive.wire.codec import PROTOCOL
from hive.wire.frames import Hello
from hive.wire.messages import Send

SENDERS = 50
ROUND_S = 2.0
ROUNDS = 5
BODY = "x" * 500
PART = f"Durable sends, {SENDERS} senders, bodies of {len(BODY)} bytes"
TARGET = 8.0
BATCH = writer.MAX_BATCH

Send1 = Callable[[int], Awaitable[object]]


async def rate(send: Send1) -> float:
    """Messages a second that `send` (given the sender's number) acknowledges."""
    sent = 0

    async def sender(number: int) -> None:
        nonlocal sent
        while trio.current_time() < end:
            await send(number)
            sent += 1

    began = trio.current_time()
    end = began + ROUND_S
    async with trio.open_nursery() as nursery:
        for number in range(SENDERS):
            nursery.start_soon(sender, number)
    return sent / (trio.current_time() - began)


def draft(sender: int) -> Draft:
    return Draft(f"agent-{sender}", f"agent-{(sender + 1) % SENDERS}", BODY)


async def with_store(folder: Path, batch: int, monkeypatch: pytest.MonkeyPatch) -> float:
    """The store alone: an insert for each message."""
    monkeypatch.setattr(writer, "MAX_BATCH", batch)
    async with open_store(folder / f"store-{time.monotonic_ns()}.sqlite", MIGRATIONS) as store:

        async def send(sender: int) -> None:
            def job(connection: apsw.Connection) -> object:
                return rows.insert(connection, draft(sender), time.time())

            await store.write(job)

        return await rate(send)


async def with_broker(folder: Path, batch: int, monkeypatch: pytest.MonkeyPatch) -> float:
    """The broker: checks, insert, counts, events."""
    monkeypatch.setattr(writer, "MAX_BATCH", batch)
    names = {f"agent-{number}" for number in range(SENDERS)}
    async with open_store(folder / f"broker-{time.monotonic_ns()}.sqlite", MIGRATIONS) as store:
        broker = Broker(store, Named(lambda: names), publish=lambda *_: None)
        await broker.load()
        return await rate(lambda sender: broker.send(draft(sender)))


async def with_sockets(folder: Path, batch: int, _: pytest.MonkeyPatch) -> float:
    """Through the sockets of 50 agents, served by another process."""
    root = folder / f"sockets-{time.monotonic_ns()}"
    with served(root, SENDERS, batch) as server:
        async with trio.open_nursery() as nursery:
            sends = [await nursery.start(client, path) for path in server.sockets]
            found = await rate(lambda sender: sends[sender](draft(sender)))
            nursery.cancel_scope.cancel()
    return found


async def client(path: Path, task_status: trio.TaskStatus[Callable[[Draft], Awaitable[None]]]):
    """One agent's harness, as far as sending goes."""
    async with connect(path, Hello(PROTOCOL, "harness", path.parent.name)) as (peer, _):

        async def send(draft: Draft) -> None:
            await peer.request(Send(draft.to, draft.body), timeout=30)

        task_status.started(send)
        await trio.sleep_forever()


@pytest.mark.parametrize(
    ("name", "measure", "target"),
    [
        ("store", with_store, TARGET),
        ("broker", with_broker, TARGET),
        ("agents' sockets", with_sockets, None),
    ],
)
async def test_sends(
    name: str,
    measure: Callable[[Path, int, pytest.MonkeyPatch], Awaitable[float]],
    target: float | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    book: Book,
) -> None:
    together, single = [], []
    for _ in range(ROUNDS):
        together.append(await measure(tmp_path, BATCH, monkeypatch))
        single.append(await measure(tmp_path, 1, monkeypatch))
    book.add(PART, f"{name}, one commit each", statistics.median(single), "1/s")
    book.add(PART, f"{name}, group commit", statistics.median(together), "1/s")
    ratios = [many / one for many, one in zip(together, single, strict=True)]
    book.add(PART, f"{name}, ratio", statistics.median(ratios), "x", at_least=target)
