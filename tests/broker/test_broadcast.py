"""Messages to everybody: one row each, one commit, and not too often."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from support.directories import Named

from hive.broker import BadMessage, Broker, Counts, Draft, Rate, TooManyBroadcasts
from hive.rate import allowed
from hive.store import MIGRATIONS, Store, open_store
from hive.wire.events import Event
from hive.wire.messages import MessageSent, MessageState
from hive.wire.names import EVERYBODY, OPERATOR

RATE = Rate(burst=2, every=3600.0)


@define
class BroadcastFixture:
    broker: Broker
    store: Store
    published: list[tuple[str | None, Event]] = field(factory=list)
    names: set[str] = field(factory=lambda: {"ann", "bob", "cas", OPERATOR})

    async def shout(self, sender: str = "ann", **more: object) -> int:
        return await self.broker.send(Draft(sender, EVERYBODY, "hear", **more))  # type: ignore[arg-type]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[BroadcastFixture]:
    async with open_store(tmp_path / "hive.sqlite", MIGRATIONS) as store:
        bench = BroadcastFixture(None, store)  # type: ignore[arg-type]
        bench.broker = Broker(
            store,
            publish=lambda agent, event: bench.published.append((agent, event)),
            directory=Named(lambda: bench.names),
            broadcasts=RATE,
            urgent=lambda _: None,
        )
        await bench.broker.load()
        yield bench


async def test_everybody_but_the_sender_and_the_operator_gets_a_message(
    bench: BroadcastFixture,
) -> None:
    first = await bench.shout(in_reply_to=7)
    message = await bench.broker.message(first)
    assert message is not None and message.broadcast_id
    parts = await bench.broker.broadcast(message.broadcast_id)
    assert [(m.id, m.recipient) for m in parts] == [(first, "bob"), (first + 1, "cas")]
    assert {(m.sender, m.body, m.in_reply_to, m.state) for m in parts} == {
        ("ann", "hear", 7, MessageState.QUEUED)
    }
    assert bench.broker.counts() == {"bob": Counts(queued=1), "cas": Counts(queued=1)}
    assert [(agent, type(event)) for agent, event in bench.published] == [
        ("bob", MessageSent),
        ("cas", MessageSent),
    ]
    assert {event.broadcast_id for _, event in bench.published} == {message.broadcast_id}  # type: ignore[union-attr]


async def test_each_recipient_has_its_own_state(bench: BroadcastFixture) -> None:
    first = await bench.shout()
    lease = await bench.broker.lease("bob", "h", "t")
    assert lease is not None
    await bench.broker.ack("t", "h")
    parts = await bench.broker.broadcast(lease.messages[0].broadcast_id or "")
    assert [m.state.value for m in parts] == ["done", "queued"]
    assert parts[0].id == first
    assert await bench.broker.broadcast("unknown") == ()


async def test_it_wakes_all(bench: BroadcastFixture) -> None:
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            for name in ("bob", "cas"):
                nursery.start_soon(bench.broker.wait_queued, name)
            await trio.testing.wait_all_tasks_blocked()
            await bench.shout()


async def test_two_hundred_agents_are_one_commit(bench: BroadcastFixture) -> None:
    bench.names = {f"agent-{n}" for n in range(201)}
    commits = 0

    def count() -> bool:
        nonlocal commits
        commits += 1
        return False

    await bench.store.write(lambda c: c.set_commit_hook(count))
    before = commits
    await bench.shout("agent-7")
    assert commits == before + 1
    assert len(bench.broker.counts()) == 200


async def test_a_repetition_uses_nothing_of_what_is_allowed(bench: BroadcastFixture) -> None:
    for _ in range(3 * RATE.burst):
        await bench.shout(key="k")
    for number in range(RATE.burst - 1):
        await bench.shout(key=f"other {number}")
    with pytest.raises(TooManyBroadcasts):
        await bench.shout(key="one too many")
    await bench.shout(key="k")  # it was sent, so it is not refused
    with pytest.raises(TooManyBroadcasts):
        await bench.shout(key="one too many")


async def test_the_same_key_is_the_same_broadcast_also_when_somebody_has_come(
    bench: BroadcastFixture,
) -> None:
    first = await bench.shout(key="k")
    bench.names |= {"abe", "zoe"}
    assert await bench.shout(key="k") == first
    assert len(bench.published) == 2
    one = await bench.broker.send(Draft("ann", "bob", "something else", key="k"))
    assert one == first


async def test_a_broadcast_to_nobody_or_in_haste_is_refused(bench: BroadcastFixture) -> None:
    with pytest.raises(BadMessage, match="cannot be urgent"):
        await bench.shout(urgent=True)
    bench.names = {"ann", OPERATOR}
    with pytest.raises(BadMessage, match="nobody else"):
        await bench.shout()
    assert bench.published == []


async def test_too_many_broadcasts_are_refused_with_the_time_of_the_next(
    bench: BroadcastFixture,
) -> None:
    for key in ("k0", "k1"):
        await bench.shout(key=key)
    with pytest.raises(TooManyBroadcasts, match=r"allowed in 3[56]\d\d s") as caught:
        await bench.shout()
    assert caught.value.code == "too_many_broadcasts"
    assert bench.broker.counts()["bob"] == Counts(queued=2)
    assert await bench.shout(key="k1") == 3, "a repetition is not one more"
    await bench.shout("bob")
    for _ in range(5):
        await bench.shout(OPERATOR)
    await bench.broker.send(Draft("ann", "bob", "not to all"))


@given(
    st.integers(1, 5),
    st.floats(0.1, 100),
    st.lists(st.floats(0, 50), max_size=60),
)
def test_no_window_has_more_than_the_burst_and_its_share(
    burst: int, every: float, gaps: list[float]
) -> None:
    rate, due, now, done = Rate(burst, every), 0.0, 1000.0, list[float]()
    for gap in gaps:
        now += gap
        due, wait = allowed(due, now, rate)
        if not wait:
            done.append(now)
        else:
            again, none = allowed(due, now + wait + 1e-6, rate)
            assert none == 0 and again > due, "what it says is when it is allowed"
    for i, begin in enumerate(done):
        for j, end in enumerate(done[i:], start=1):
            assert j <= burst + (end - begin) / every + 1e-6


def test_a_burst_is_allowed_at_once_then_one_each() -> None:
    due, waits = 0.0, []
    for _ in range(4):
        due, wait = allowed(due, 100.0, Rate(3, 10.0))
        waits.append(wait)
    assert waits == [0, 0, 0, 10.0]


async def test_what_is_for_one_is_not_for_all(bench: BroadcastFixture) -> None:
    bench.broker.check(Draft("ann", "bob", "a question"))
    with pytest.raises(BadMessage, match="one recipient"):
        bench.broker.check(Draft("ann", EVERYBODY, "a question"))
