"""Urgent messages, returns by limits, and what the operator does with what was not delivered."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest
import trio
import trio.testing
from attrs import define, field
from support.directories import Named

from hive.broker import HIVE, Broker, Counts, Draft, NotUrgent, Returned, rows
from hive.store import MIGRATIONS, Store, fetch, open_store
from hive.wire.daemon import Notice
from hive.wire.events import Event
from hive.wire.messages import Message, MessageMoved, MessageSent, MessageState

HELD, QUEUED, DEAD, DONE = (
    MessageState.HELD,
    MessageState.QUEUED,
    MessageState.DEAD,
    MessageState.DONE,
)


@define
class UndeliveredFixture:
    """A broker, what it published, and who may be sent urgent messages now."""

    broker: Broker
    store: Store
    published: list[tuple[str | None, Event]] = field(factory=list)
    reserve: set[str] = field(factory=lambda: {"bob"})

    async def send(self, body: str = "work", *, urgent: bool = False, to: str = "bob") -> int:
        return await self.broker.send(Draft("ann", to, body, urgent=urgent))

    async def limited(self, times: int, why: str = "limited") -> Returned:
        back = Returned()
        for n in range(times):
            lease = await self.broker.lease("bob", "h1", f"l{n}", 10)
            assert lease is not None
            back = await self.broker.nack(lease.id, "h1", count=False, limited=True, why=why)
        return back

    async def kill(self) -> None:
        for n in range(5):
            assert await self.broker.lease("bob", "h1", f"k{n}", 10)
            await self.broker.nack(f"k{n}", "h1", count=True, why="it crashed")

    async def message(self, id_: int) -> Message:
        message = await self.broker.message(id_)
        assert message is not None
        return message

    def counts(self, name: str = "bob") -> Counts:
        return self.broker.counts().get(name, Counts())


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[UndeliveredFixture]:
    async with open_store(tmp_path / "hive.sqlite", MIGRATIONS) as store:
        bench = UndeliveredFixture(None, store)  # type: ignore[arg-type]
        bench.broker = Broker(
            store,
            publish=lambda agent, event: bench.published.append((agent, event)),
            directory=Named(lambda: {"ann", "bob"}),
            urgent=lambda name: None if name in bench.reserve else f"{name} has no reserve",
        )
        await bench.broker.load()
        yield bench


# --- urgent -----------------------------------------------------------------------------------


async def test_urgent_messages_are_counted_and_leased_apart(bench: UndeliveredFixture) -> None:
    first = await bench.send("first")
    urgent = [await bench.send(str(n), urgent=True) for n in range(3)]
    assert bench.counts() == Counts(queued=4, urgent=3)
    lease = await bench.broker.lease("bob", "h1", "t1", 1, urgent_only=True)
    assert lease is not None
    assert [(m.id, m.urgent) for m in lease.messages] == [(urgent[0], True)]
    assert lease.waiting == 2
    joined = await bench.broker.join("t1", "bob", "h1", 1, urgent_only=True)
    assert [m.id for m in joined] == [urgent[1]]
    assert bench.counts() == Counts(queued=2, leased=2, urgent=1)
    await bench.broker.nack("t1", "h1", count=False, why="")
    assert bench.counts() == Counts(queued=4, urgent=3)
    everything = await bench.broker.lease("bob", "h1", "t2", 10)
    assert everything is not None
    assert [m.id for m in everything.messages] == [first, *urgent]
    assert bench.counts() == Counts(leased=4)


async def test_nothing_urgent_is_no_lease(bench: UndeliveredFixture) -> None:
    await bench.send()
    assert await bench.broker.lease("bob", "h1", "t1", urgent_only=True) is None
    assert bench.counts() == Counts(queued=1)


async def test_who_waits_for_urgent_ones_is_not_woken_by_others(bench: UndeliveredFixture) -> None:
    await bench.send()
    woken = trio.Event()

    async def waiter() -> None:
        await bench.broker.wait_queued("bob", urgent_only=True)
        woken.set()

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(waiter)
            await trio.testing.wait_all_tasks_blocked()
            await bench.send()
            await trio.testing.wait_all_tasks_blocked()
            assert not woken.is_set()
            await bench.send(urgent=True)


async def test_without_a_reserve_an_urgent_message_is_refused_whole(
    bench: UndeliveredFixture,
) -> None:
    with pytest.raises(NotUrgent, match="ann has no reserve") as caught:
        await bench.send(urgent=True, to="ann")
    assert caught.value.code == "not_urgent"
    assert (bench.counts("ann"), bench.published) == (Counts(), [])
    assert await bench.broker.inbox("ann") == ()
    assert await bench.send(urgent=True) == 1, "a refused message uses up no id"


async def test_by_default_nobody_may(bench: UndeliveredFixture) -> None:
    broker = Broker(bench.store, publish=lambda *_: None, directory=Named(lambda: ["bob"]))
    with pytest.raises(NotUrgent, match="send it without"):
        await broker.send(Draft("ann", "bob", "now", urgent=True))


async def test_a_repeated_urgent_message_is_the_first_one_even_without_a_reserve(
    bench: UndeliveredFixture,
) -> None:
    draft = Draft("ann", "bob", "now", key="k", urgent=True)
    first = await bench.broker.send(draft)
    bench.reserve.clear()
    assert await bench.broker.send(draft) == first


# --- limits -----------------------------------------------------------------------------------


async def test_the_fifth_return_by_a_limit_holds_and_tells_the_operator(
    bench: UndeliveredFixture,
) -> None:
    id_ = await bench.send()
    assert await bench.limited(5) == Returned(queued=(id_,))
    message = await bench.message(id_)
    assert (message.returns, message.attempts, message.redelivered) == (5, 0, True)
    assert not [event for _, event in bench.published if isinstance(event, Notice)]
    assert await bench.limited(1, "rate limited until 14:30") == Returned(held=(id_,))
    assert bench.counts() == Counts(held=1)
    assert await bench.broker.lease("bob", "h1", "t") is None
    assert bench.published[-2:] == [
        ("bob", MessageMoved((id_,), HELD, "rate limited until 14:30")),
        (
            "bob",
            Notice(
                f"message {id_} to bob waits for you: it was returned 6 times "
                f"(last: rate limited until 14:30); hive retry {id_} or hive drop {id_}"
            ),
        ),
    ]
    assert await bench.broker.inbox("ann") == (), "nobody is told that it failed: it did not"


async def test_several_held_messages_are_one_notice(bench: UndeliveredFixture) -> None:
    ids = [await bench.send() for _ in range(2)]
    await bench.limited(6)
    (notice,) = [event for _, event in bench.published if isinstance(event, Notice)]
    assert notice.text.startswith(f"messages {ids[0]}, {ids[1]} to bob wait for you: each was")
    assert notice.text.endswith(f"hive retry {ids[0]} {ids[1]} or hive drop {ids[0]} {ids[1]}")


async def test_returns_and_attempts_are_counted_apart(bench: UndeliveredFixture) -> None:
    id_ = await bench.send()
    for n in range(4):
        for count in (True, False):
            await bench.broker.lease("bob", "h1", f"{n}{count}")
            await bench.broker.nack(f"{n}{count}", "h1", count=count, limited=not count, why="x")
    message = await bench.message(id_)
    assert (message.attempts, message.returns, message.state) == (4, 4, QUEUED)


async def test_a_limit_is_no_attempt(bench: UndeliveredFixture) -> None:
    await bench.send()
    await bench.broker.lease("bob", "h1", "t1")
    with pytest.raises(ValueError, match="either count or limited"):
        await bench.broker.nack("t1", "h1", count=True, limited=True, why="")
    assert bench.counts() == Counts(leased=1)


# --- the operator -----------------------------------------------------------------------------


async def test_a_retried_held_message_starts_anew_and_wakes(bench: UndeliveredFixture) -> None:
    id_ = await bench.send()
    await bench.limited(6)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.broker.wait_queued, "bob")
            await trio.testing.wait_all_tasks_blocked()
            assert await bench.broker.retry([id_]) == 1
    assert bench.published[-1] == ("bob", MessageMoved((id_,), QUEUED, "retried by the operator"))
    message = await bench.message(id_)
    assert (message.returns, message.attempts, message.redelivered) == (0, 0, True)
    assert bench.counts() == Counts(queued=1)
    assert await bench.limited(5) == Returned(queued=(id_,)), "it has all its returns again"


async def test_a_retried_dead_message_has_all_its_attempts_again(bench: UndeliveredFixture) -> None:
    id_ = await bench.send(urgent=True)
    await bench.kill()
    assert bench.counts() == Counts(dead=1)
    assert await bench.broker.retry([id_]) == 1
    assert bench.counts() == Counts(queued=1, urgent=1)
    await bench.kill()
    assert bench.counts() == Counts(dead=1)


async def test_a_dropped_held_message_is_dead_and_its_sender_is_told(
    bench: UndeliveredFixture,
) -> None:
    id_ = await bench.send("please do it")
    await bench.limited(6)
    assert await bench.broker.drop([id_]) == 1
    assert (await bench.message(id_)).state is DEAD
    assert bench.counts() == Counts(dead=1)
    (bounce,) = await bench.broker.inbox("ann")
    assert (bounce.sender, bounce.in_reply_to) == (HIVE, id_)
    assert "was dropped by the operator and will not" in bounce.body
    assert "attempts" not in bounce.body, "it did not fail"
    assert "please do it" in bounce.body
    sent, moved = bench.published[-2:]
    assert isinstance(sent[1], MessageSent)
    assert moved == ("bob", MessageMoved((id_,), DEAD, "dropped by the operator"))


async def test_a_dropped_dead_message_is_done_and_silent(bench: UndeliveredFixture) -> None:
    id_ = await bench.send()
    await bench.kill()
    told = await bench.broker.inbox("ann")
    assert await bench.broker.drop([id_]) == 1
    assert (await bench.message(id_)).state is DONE
    assert bench.counts() == Counts()
    assert await bench.broker.inbox("ann") == told
    assert await bench.broker.drop([id_]) == 0


async def test_others_are_left_alone(bench: UndeliveredFixture) -> None:
    held = await bench.send()
    await bench.limited(6)
    done = await bench.send()
    await bench.broker.lease("bob", "h1", "t1")
    await bench.broker.ack("t1", "h1")
    leased = await bench.send()
    await bench.broker.lease("bob", "h1", "t2")
    queued = await bench.send()
    others = [done, leased, queued, 0, -1, 999, 2**70]
    bench.published.clear()
    assert await bench.broker.retry(others) == await bench.broker.drop(others) == 0
    assert bench.published == []
    assert await bench.broker.retry([held, *others]) == 1
    assert await bench.broker.ack("t2", "h1") == (leased,)


async def test_undelivered_are_the_newest_of_all(bench: UndeliveredFixture) -> None:
    dead = await bench.send()
    await bench.kill()
    held = [await bench.send() for _ in range(2)]
    await bench.limited(6)
    await bench.send()
    shown = await bench.broker.undelivered()
    assert [(m.id, m.state) for m in shown] == [(dead, DEAD), (held[0], HELD), (held[1], HELD)]
    assert [m.id for m in await bench.broker.undelivered(2)] == held
    assert shown[-1].returns == 6


async def test_a_start_counts_what_the_last_life_counted(bench: UndeliveredFixture) -> None:
    await bench.send(urgent=True)
    await bench.limited(6)
    await bench.send(urgent=True)
    await bench.send()
    now = dict(bench.broker.counts())
    assert now["bob"] == Counts(queued=2, held=1, urgent=1)
    await bench.broker.load()
    assert bench.broker.counts() == now


async def test_a_start_and_a_look_read_nothing_that_is_done(bench: UndeliveredFixture) -> None:
    """There may be ten million of it: only the indexes of the other states are used."""
    asked: list[str] = []

    def trace(_: apsw.Cursor, sql: str, bindings: object) -> bool:
        asked.append(sql)
        return True

    def watched(connection: apsw.Connection) -> None:
        connection.exec_trace = trace
        rows.count(connection)
        rows.undelivered(connection, 5)
        connection.exec_trace = None
        for sql in asked:
            plan = fetch(connection, f"EXPLAIN QUERY PLAN {sql}", (5,) * sql.count("?"))
            first = plan[0][-1]
            assert re.search("USING.* INDEX messages_(queued|leased|undelivered)", first), first

    await bench.store.write(watched)
    assert len(asked) == 4
