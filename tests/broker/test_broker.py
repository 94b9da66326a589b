"""What the broker promises to senders, holders and the operator, on a real store."""

from pathlib import Path

import pytest
from support.broker_fixture import BrokerFixture
from support.directories import Named

from hive.broker import (
    HIVE,
    BadMessage,
    BodyTooLarge,
    Broker,
    BrokerError,
    Counts,
    Draft,
    Returned,
    UnknownRecipient,
)
from hive.store import MIGRATIONS, open_store
from hive.wire.bounds import MAX_FRAME
from hive.wire.codec import encode
from hive.wire.messages import MessageMoved, MessageSent, MessageState

# --- sending ----------------------------------------------------------------------------------


async def test_a_message_is_there_when_its_id_is(bench: BrokerFixture) -> None:
    id_ = await bench.broker.send(Draft("ann", "bob", "hello", in_reply_to=4))
    message = await bench.broker.message(id_)
    assert message is not None
    assert (message.sender, message.recipient, message.body) == ("ann", "bob", "hello")
    assert (message.state, message.in_reply_to) == (MessageState.QUEUED, 4)
    assert bench.published == [("bob", MessageSent(id_, "ann", "bob", "hello", 4))]
    assert bench.counts() == Counts(queued=1)


async def test_the_same_key_is_the_same_message(bench: BrokerFixture) -> None:
    first = await bench.broker.send(Draft("ann", "bob", "hello", key="k"))
    assert await bench.broker.send(Draft("ann", "bob", "hello again", key="k")) == first
    assert await bench.broker.send(Draft("bob", "ann", "other sender", key="k")) != first
    assert bench.counts() == Counts(queued=1)
    assert len(bench.published) == 2


@pytest.mark.parametrize("to", ["eve", "", "..", "**", "hive", "bob\0", "ä" * 100, "\ud800"])
async def test_an_unknown_recipient_is_refused_with_the_names(
    bench: BrokerFixture, to: str
) -> None:
    with pytest.raises(UnknownRecipient, match="ann, bob, operator") as caught:
        await bench.send(to=to)
    assert caught.value.code == "unknown_recipient"
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("draft", "error", "text"),
    [
        (Draft("ann", "bob", ""), BadMessage, "empty"),
        (Draft("ann", "bob", " \n\t"), BadMessage, "empty"),
        (Draft("ann", "bob", "a\0b"), BadMessage, "NUL"),
        (Draft("ann", "bob", "a\ud800"), BadMessage, "Unicode at character 1"),
        (Draft("ann", "bob", "x" * 16_385), BodyTooLarge, "16385 bytes, at most 16384 .* file"),
        (Draft("ann", "bob", "ä" * 8_193), BodyTooLarge, "16386 bytes"),
        (Draft("ann", "bob", "x", key=""), BadMessage, "key"),
        (Draft("ann", "bob", "x", key="k" * 201), BadMessage, "key"),
        (Draft("ann", "bob", "x", key="\ud800"), BadMessage, "key"),
    ],
)
async def test_a_bad_message_is_refused(
    bench: BrokerFixture, draft: Draft, error: type[BrokerError], text: str
) -> None:
    with pytest.raises(error, match=text):
        await bench.broker.send(draft)
    assert bench.counts() == Counts()
    assert bench.published == []


async def test_the_largest_body_passes(bench: BrokerFixture) -> None:
    body = "ä" * 8_192
    id_ = await bench.send(body)
    message = await bench.broker.message(id_)
    assert message is not None
    assert message.body == body


# --- leases -----------------------------------------------------------------------------------


async def test_the_oldest_is_leased_first_and_the_rest_are_counted(bench: BrokerFixture) -> None:
    ids = [await bench.send(str(n)) for n in range(3)]
    lease = await bench.lease()
    assert [m.id for m in lease.messages] == ids[:1]
    assert lease.messages[0].state is MessageState.LEASED
    assert (lease.id, lease.waiting) == ("t1", 2)
    assert bench.counts() == Counts(queued=2, leased=1)
    assert bench.published[-1] == ("bob", MessageMoved((ids[0],), MessageState.LEASED))


async def test_nothing_queued_is_no_lease(bench: BrokerFixture) -> None:
    await bench.send(to="ann")
    assert await bench.broker.lease("bob", "h1", "t1") is None


async def test_what_joins_is_acknowledged_with_the_lease(bench: BrokerFixture) -> None:
    ids = [await bench.send(str(n)) for n in range(4)]
    await bench.lease()
    joined = await bench.broker.join("t1", "bob", "h1", 2)
    assert [m.id for m in joined] == ids[1:3]
    assert await bench.broker.ack("t1", "h1") == tuple(ids[:3])
    assert await bench.broker.ack("t1", "h1") == ()
    assert bench.counts() == Counts(queued=1)
    assert bench.published[-1] == ("bob", MessageMoved(tuple(ids[:3]), MessageState.DONE))


async def test_nothing_joins_a_lease_that_is_over_or_of_another(bench: BrokerFixture) -> None:
    """It would be leased for ever: nobody would acknowledge or return it."""
    await bench.send("1")
    await bench.send("2")
    await bench.lease()
    assert await bench.broker.join("t1", "bob", "h2", 5) == ()
    assert await bench.broker.join("t2", "bob", "h1", 5) == ()
    await bench.broker.ack("t1", "h1")
    assert await bench.broker.join("t1", "bob", "h1", 5) == ()
    assert bench.counts() == Counts(queued=1)


async def test_only_the_holder_can_end_a_lease(bench: BrokerFixture) -> None:
    await bench.send()
    await bench.lease()
    assert await bench.broker.ack("t1", "h2") == ()
    assert await bench.broker.nack("t1", "h2", count=True, why="") == Returned()
    assert bench.counts() == Counts(leased=1)


async def test_a_returned_message_comes_first_again_and_is_marked(bench: BrokerFixture) -> None:
    first = await bench.send("first")
    await bench.send("second")
    await bench.lease()
    back = await bench.broker.nack("t1", "h1", count=False, why="the harness is gone")
    assert back == Returned(queued=(first,))
    assert bench.published[-1] == (
        "bob",
        MessageMoved((first,), MessageState.QUEUED, "the harness is gone"),
    )
    (message,) = (await bench.lease("t2", "h2")).messages
    assert (message.id, message.redelivered, message.attempts) == (first, True, 0)


async def test_the_fifth_failed_attempt_is_the_last_and_the_sender_is_told(
    bench: BrokerFixture,
) -> None:
    id_ = await bench.send("please " * 200)
    for attempt in range(1, 6):
        lease = await bench.lease(f"t{attempt}")
        assert lease.messages[0].attempts == attempt - 1
        back = await bench.broker.nack(lease.id, "h1", count=True, why="it crashed")
        assert back == (Returned(dead=(id_,)) if attempt == 5 else Returned(queued=(id_,)))
    assert await bench.broker.lease("bob", "h1", "t6") is None
    assert bench.counts() == Counts(dead=1)

    (bounce,) = await bench.broker.inbox("ann")
    assert (bounce.sender, bounce.in_reply_to, bounce.state) == (HIVE, id_, MessageState.QUEUED)
    assert "to bob was given up after 5 failed attempts" in bounce.body
    assert "it crashed" in bounce.body
    assert "please please" in bounce.body
    assert len(bounce.body) < 1_000
    assert bench.counts("ann") == Counts(queued=1)
    kinds = [(agent, type(event)) for agent, event in bench.published[-2:]]
    assert kinds == [("ann", MessageSent), ("bob", MessageMoved)]


async def test_a_bounce_does_not_bounce(bench: BrokerFixture) -> None:
    bench.broker = Broker(
        bench.broker._store,
        publish=lambda *_: None,
        directory=Named(lambda: bench.names),
        max_attempts=1,
    )
    await bench.send(to="bob", sender="ann")
    await bench.lease()
    await bench.broker.nack("t1", "h1", count=True, why="")
    assert await bench.broker.lease("ann", "h2", "t2")
    await bench.broker.nack("t2", "h2", count=True, why="")
    counts = bench.broker.counts()
    assert counts == {"bob": Counts(dead=1), "ann": Counts(dead=1)}


async def test_a_bounce_to_nobody_goes_to_the_operator(bench: BrokerFixture) -> None:
    await bench.send(sender="ann")
    bench.names.remove("ann")
    for n in range(5):
        await bench.lease(f"t{n}")
        await bench.broker.nack(f"t{n}", "h1", count=True, why="no")
    assert [m.sender for m in await bench.broker.inbox("operator")] == [HIVE]
    assert bench.published[-2][0] is None


async def test_a_reason_that_is_no_text_does_not_keep_a_lease(bench: BrokerFixture) -> None:
    await bench.send()
    for n in range(5):
        await bench.lease(f"t{n}")
        await bench.broker.nack(f"t{n}", "h1", count=True, why="no \udcff" + "x" * 9_999)
    assert bench.counts() == Counts(dead=1)
    (bounce,) = await bench.broker.inbox("ann")
    assert "no ?xxx" in bounce.body


async def test_attempts_that_do_not_count_never_kill(bench: BrokerFixture) -> None:
    await bench.send()
    for n in range(20):
        await bench.lease(f"t{n}")
        await bench.broker.nack(f"t{n}", "h1", count=False, why="limited")
    assert bench.counts() == Counts(queued=1)


@pytest.mark.parametrize(
    ("keep", "stays"),
    [
        ({}, set()),
        ({"keep_holder": "h1"}, {"t1", "t2"}),
        ({"keep_lease": "t3"}, {"t3"}),
        ({"keep_holder": "h1", "keep_lease": "t2"}, {"t2"}),
        ({"keep_holder": "h2", "keep_lease": "t2"}, set()),
    ],
)
async def test_release_returns_all_but_what_is_kept(
    bench: BrokerFixture, keep: dict[str, str], stays: set[str]
) -> None:
    for lease, holder in (("t1", "h1"), ("t2", "h1"), ("t3", "h2")):
        await bench.send()
        await bench.lease(lease, holder)
    await bench.send(to="ann")
    await bench.broker.lease("ann", "h9", "t9")
    number = await bench.broker.release("bob", count=False, why="replaced", **keep)
    assert number == 3 - len(stays)
    assert {held.lease for held in await bench.broker.leases("bob")} == stays
    assert bench.counts() == Counts(queued=number, leased=len(stays))
    assert bench.counts("ann") == Counts(leased=1)
    assert await bench.broker.release("bob", count=False, why="again", **keep) == 0


async def test_a_lease_outlives_the_daemon(tmp_path: Path) -> None:
    path = tmp_path / "hive.sqlite"

    async with open_store(path, MIGRATIONS) as store:
        broker = Broker(store, Named(lambda: ["bob"]), publish=lambda *_: None)
        await broker.load()
        id_ = await broker.send(Draft("operator", "bob", "hello"))
        await broker.lease("bob", "h1", "t1")
    async with open_store(path, MIGRATIONS) as store:
        broker = Broker(store, Named(lambda: ["bob"]), publish=lambda *_: None)
        await broker.load()
        assert broker.counts() == {"bob": Counts(leased=1)}
        (held,) = await broker.leases("bob")
        assert (held.lease, held.holder, held.ids) == ("t1", "h1", (id_,))
        assert await broker.ack("t1", "h1") == (id_,)


async def test_a_lease_is_cut_to_what_a_frame_can_carry(bench: BrokerFixture) -> None:
    """Messages that cannot be shown must not be acknowledged with the others."""
    for _ in range(100):
        await bench.send("\x01" * 16_000)  # six bytes each in JSON
    lease = await bench.lease(limit=100)
    assert 0 < len(lease.messages) < 100
    assert len(encode(lease)) < MAX_FRAME
    joined = await bench.broker.join("t1", "bob", "h1", 100)
    assert 0 < len(joined) < 100
    assert bench.counts().leased == len(lease.messages) + len(joined)


# --- the operator's inbox ----------------------------------------------------------------------


async def test_the_inbox_shows_the_newest_last(bench: BrokerFixture) -> None:
    ids = [await bench.send(str(n), to="operator") for n in range(5)]
    assert [m.id for m in await bench.broker.inbox("operator", 3)] == ids[2:]
    assert await bench.broker.inbox("operator", 0) == ()
    assert await bench.broker.inbox("nobody") == ()


async def test_the_operator_acknowledges_his_own_messages_only(bench: BrokerFixture) -> None:
    mine = await bench.send(to="operator")
    other = await bench.send(to="bob")
    assert await bench.broker.acknowledge([mine, other, 999, -1, 2**70]) == (mine,)
    assert await bench.broker.acknowledge([mine]) == ()
    assert bench.counts("operator") == Counts()
    assert bench.counts("bob") == Counts(queued=1)
    assert bench.published[-1] == ("ann", MessageMoved((mine,), MessageState.DONE))


async def test_numbers_that_no_message_has_find_nothing(bench: BrokerFixture) -> None:
    for id_ in (0, -1, 2**63, 2**80):
        assert await bench.broker.message(id_) is None
    await bench.send()
    assert await bench.broker.sent("ann", "bob", 2**80) == ()
    assert len(await bench.broker.sent("ann", "bob", -(2**80), 2**80)) == 1
