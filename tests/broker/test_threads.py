"""What a message answers: tolerant when written, resolved when read, closed to outsiders."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from attrs import define
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.directories import Named

from hive.broker import HIVE, Broker, Draft
from hive.store import MIGRATIONS, Store, fetch, open_store
from hive.wire.names import OPERATOR

NAMES = ("ann", "bob", "cas", "eve")


@define
class ThreadFixture:
    broker: Broker
    store: Store

    async def send(self, sender: str, to: str, reply: int | None = None) -> int:
        return await self.broker.send(Draft(sender, to, "text", reply))

    async def thread(self, id_: int, reader: str = OPERATOR) -> list[int]:
        return [m.id for m in await self.broker.thread(id_, reader)]

    async def delivered(self, to: str) -> list[int | None]:
        lease = await self.broker.lease(to, "h", f"t-{to}", 100)
        return [m.in_reply_to for m in lease.messages] if lease else []


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ThreadFixture]:
    async with open_store(tmp_path / "hive.sqlite", MIGRATIONS) as store:
        broker = Broker(store, Named(lambda: NAMES), publish=lambda *_: None)
        await broker.load()
        yield ThreadFixture(broker, store)


@pytest.mark.parametrize("reply", [0, -1, 77, 2**63 - 1, 2**63, 2**80, -(2**80)])
async def test_a_number_that_no_message_has_is_no_error_and_is_not_shown(
    bench: ThreadFixture, reply: int
) -> None:
    id_ = await bench.send("ann", "bob", reply)
    assert await bench.delivered("bob") == [None]
    assert await bench.thread(id_) == [id_]
    assert await bench.thread(reply) == []


async def test_what_is_given_is_kept_and_resolved_when_it_is_read(bench: ThreadFixture) -> None:
    """The message that it names may come later, or go."""
    first = await bench.send("ann", "bob")
    early = await bench.send("bob", "ann", first + 2)
    late = await bench.send("ann", "bob", early)
    assert await bench.delivered("ann") == [late]
    await bench.store.write(lambda c: fetch(c, f"DELETE FROM messages WHERE id = {early}"))
    assert await bench.delivered("bob") == [None, None]


async def test_a_thread_is_all_that_hangs_together_wherever_one_looks(bench: ThreadFixture) -> None:
    one = await bench.send(OPERATOR, "ann")
    two = await bench.send("ann", "bob", one)
    other = await bench.send("ann", "bob")
    three = await bench.send("bob", "ann", two)
    four = await bench.send("ann", OPERATOR, one)
    for id_ in (one, two, three, four):
        assert await bench.thread(id_) == [one, two, three, four]
    assert await bench.thread(other) == [other]


async def test_only_members_read_a_thread(bench: ThreadFixture) -> None:
    one = await bench.send("ann", "bob")
    two = await bench.send("bob", "cas", one)
    for reader in ("ann", "bob", "cas", OPERATOR):
        assert await bench.thread(two, reader) == [one, two]
    assert await bench.thread(one, "eve") == []


async def test_nobody_joins_a_thread_by_guessing_its_number(bench: ThreadFixture) -> None:
    secret = await bench.send("ann", "bob")
    guess = await bench.send("eve", "ann", secret)
    assert await bench.thread(guess, "eve") == [guess]
    assert await bench.thread(secret, "eve") == []
    assert await bench.thread(secret, "bob") == [secret]
    assert await bench.delivered("ann") == [None]
    again = await bench.send("ann", "eve", guess)
    assert await bench.thread(again, "eve") == [guess, again]


async def test_the_operator_and_the_hive_may_answer_anything(bench: ThreadFixture) -> None:
    one = await bench.send("ann", "bob")
    two = await bench.send(OPERATOR, "bob", one)
    for n in range(5):
        await bench.broker.lease("bob", "h", f"t{n}", 1)
        await bench.broker.nack(f"t{n}", "h", count=True, why="no")
    (bounce,) = await bench.broker.inbox("ann")
    assert (bounce.sender, bounce.in_reply_to) == (HIVE, one)
    assert await bench.thread(bounce.id, "ann") == [one, two, bounce.id]
    assert await bench.delivered("ann") == [one]


async def test_cycles_and_long_chains_end(bench: ThreadFixture) -> None:
    await bench.send("ann", "bob", 2)
    await bench.send("bob", "ann", 1)
    await bench.send("ann", "bob", 3)
    assert await bench.thread(1) == await bench.thread(2) == [1, 2]
    assert await bench.thread(3) == [3]

    def chain(connection: object) -> None:
        fetch(
            connection,  # type: ignore[arg-type]
            "WITH RECURSIVE n (i) AS (VALUES (4) UNION ALL SELECT i + 1 FROM n WHERE i < 50000)"
            " INSERT INTO messages (id, sender, recipient, body, sent_at, state, in_reply_to,"
            " changed_at) SELECT i, 'ann', 'bob', 'x', 0, 'done', i - 1, 0 FROM n",
        )

    await bench.store.write(chain)
    assert len(await bench.thread(25_000)) == 1_000


@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.none() | st.integers(-1, 12)),
        min_size=1,
        max_size=12,
    )
)
async def test_threads_are_the_connected_parts(
    bench: ThreadFixture, messages: list[tuple[str, str, int | None]]
) -> None:
    await bench.store.write(lambda c: fetch(c, "DELETE FROM messages; DELETE FROM sqlite_sequence"))
    sent = {await bench.send(*one): one for one in messages}
    parts = {id_: {id_} for id_ in sent}
    for id_, (sender, _, reply) in sent.items():
        if reply in sent and sender in sent[reply][:2]:
            joined = parts[id_] | parts[reply]
            for member in joined:
                parts[member] = joined
    for id_, part in parts.items():
        members = {name for one in part for name in sent[one][:2]}
        for reader in NAMES:
            expected = sorted(part) if reader in members else []
            assert await bench.thread(id_, reader) == expected
