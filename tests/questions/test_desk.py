"""The desk on a real store: one transaction for each end, lines, wake-ups, loose ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest
import trio
from attrs import define
from support.directories import Named

from hive.broker import HIVE, BodyTooLarge, Broker, BrokerError, Draft, UnknownRecipient
from hive.questions import BadAnswer, Desk, NoSuchQuestion, QuestionOver, TooMany, policy
from hive.questions.wakes import NEXT_TURNS_AN_HOUR, WAKES_AN_HOUR
from hive.store import MIGRATIONS, Store, fetch, open_store
from hive.supervisors import Context
from hive.wire.agents import Said, SetStatus
from hive.wire.daemon import Done
from hive.wire.messages import Message, Sent
from hive.wire.names import OPERATOR
from hive.wire.questions import Answer, Ask, CancelLooseEnd, GetLooseEnds, LooseEnds, QuestionState
from hive.wire.wake_ups import RequestNextTurn, Wake


@define
class Office:
    store: Store
    broker: Broker
    desk: Desk
    published: list[tuple[str | None, object]]
    names: set[str]

    async def ask(self, asker: str = "ann", **more: Any) -> int:
        sent = await self.desk.handle(asker, Ask("Red?", **more))
        assert isinstance(sent, Sent)
        return sent.id

    async def last(self, name: str) -> Message:
        return (await self.broker.inbox(name))[-1]

    async def loose(self, agent: str) -> LooseEnds:
        found = await self.desk.handle(agent, GetLooseEnds())
        assert isinstance(found, LooseEnds)
        return found


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Office]:
    published: list[tuple[str | None, object]] = []
    names = {"ann", "bob"}
    async with open_store(path, MIGRATIONS) as store:
        broker = Broker(store, Named(lambda: names), publish=lambda *_: None)
        await broker.load()
        desk = Desk(
            store, broker, directory=Named(lambda: names), publish=lambda *e: published.append(e)
        )
        await desk.load()
        yield Office(store, broker, desk, published, names)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hive.sqlite"


@pytest.fixture
async def office(path: Path) -> AsyncIterator[Office]:
    async with opened(path) as office:
        yield office


# --- questions ---------------------------------------------------------------------------------


async def test_a_question_is_a_message_and_its_answer_a_reply(office: Office) -> None:
    id_ = await office.ask(options=("yes", "no"))
    asked = await office.last(OPERATOR)
    assert (asked.id, asked.sender) == (id_, "ann")
    assert "Red?" in asked.body and "  2. no" in asked.body and f"hive answer {id_}" in asked.body
    sent = await office.desk.answer_as_operator(Answer(id_, options=(2,)))
    reply = await office.last("ann")
    assert (reply.id, reply.sender, reply.in_reply_to) == (sent, OPERATOR, id_)
    assert reply.body.endswith(":\nno") and "in the place of" not in reply.body


async def test_the_operator_in_an_agents_place_is_named(office: Office) -> None:
    id_ = await office.ask(to="bob")
    assert f"question={id_}" in (await office.last("bob")).body
    await office.desk.answer_as_operator(Answer(id_, "blue"))
    reply = await office.last("ann")
    assert reply.sender == OPERATOR and "given by the operator in the place of bob" in reply.body
    with pytest.raises(QuestionOver, match="answered by operator"):
        await office.desk.handle("bob", Answer(id_, "red"))


async def test_the_same_key_asks_once_and_the_same_answer_answers_once(office: Office) -> None:
    id_ = await office.ask(key="k", to="bob")
    assert await office.ask(key="k", to="bob") == id_
    first = await office.desk.handle("bob", Answer(id_, "red"))
    assert await office.desk.handle("bob", Answer(id_, "red")) == first
    assert len(await office.broker.inbox("bob")) == len(await office.broker.inbox("ann")) == 1


async def test_what_is_refused_leaves_nothing(office: Office) -> None:
    with pytest.raises(UnknownRecipient):
        await office.ask(to="carl")
    with pytest.raises(NoSuchQuestion):
        await office.desk.handle("bob", Answer(-(2**80), "x"))
    id_ = await office.ask(to="bob", options=("a", "b"))
    with pytest.raises(BadAnswer):
        await office.desk.handle("bob", Answer(id_, "c"))
    with pytest.raises(NoSuchQuestion):
        await office.desk.handle("ann", Answer(id_, "a"))
    free = await office.ask(to="bob")
    with pytest.raises(BodyTooLarge):
        await office.desk.handle("bob", Answer(free, "x" * 17_000))
    assert await office.broker.inbox("ann") == ()
    open_ = await office.desk.questions.listed()
    assert [(q.id, q.state) for q in open_] == [(id_, "open"), (free, "open")]


async def test_twenty_open_questions_are_enough(office: Office) -> None:
    ids = [await office.ask() for _ in range(policy.MOST_OPEN)]
    with pytest.raises(TooMany, match=f"open: {ids[0]}, {ids[1]}"):
        await office.ask()
    await office.ask("bob")
    await office.desk.handle("ann", CancelLooseEnd(ids[3]))
    assert "withdrawn" in (await office.last(OPERATOR)).body
    await office.ask()


async def test_many_at_once_never_pass_the_cap(office: Office) -> None:
    made: list[int] = []

    async def one() -> None:
        try:
            made.append(await office.ask())
        except TooMany:
            pass

    async with trio.open_nursery() as nursery:
        for _ in range(2 * policy.MOST_OPEN):
            nursery.start_soon(one)
    assert len(set(made)) == policy.MOST_OPEN
    assert [m.id for m in await office.broker.inbox(OPERATOR)] == sorted(made)


async def test_of_many_answers_at_once_one_counts(office: Office) -> None:
    id_ = await office.ask(to="bob")
    refused = []

    async def one(by: str, text: str) -> None:
        try:
            await office.desk.questions.answer(by, Answer(id_, text))
        except QuestionOver as error:
            refused.append(error)

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(one, ("bob", OPERATOR)[number % 2], f"text {number}")
    assert len(refused) == 9 and len(await office.broker.inbox("ann")) == 1


async def test_an_end_and_its_message_are_one(office: Office) -> None:
    """The insert of the message fails: the question is open as before."""
    id_ = await office.ask(to="bob", ttl_s=1.0)

    def break_(connection: apsw.Connection) -> None:
        fetch(
            connection,
            "CREATE TRIGGER broken BEFORE INSERT ON messages BEGIN SELECT raise(ABORT, 'no'); END",
        )

    await office.store.write(break_)
    office.desk.questions._wall = lambda: 4e9  # type: ignore[method-assign]
    with pytest.raises(apsw.ConstraintError):
        await office.desk.questions.expire()
    with pytest.raises(apsw.ConstraintError):
        await office.ask(key="k")
    (question,) = await office.desk.questions.listed(ended=True)
    assert (question.id, question.state) == (id_, QuestionState.OPEN)
    await office.store.write(lambda c: fetch(c, "DROP TRIGGER broken"))
    assert await office.desk.questions.expire() == 1
    told = await office.last("ann")
    assert (told.sender, told.in_reply_to) == (HIVE, id_) and told.body.startswith("No answer: bob")


async def test_time_to_live_goes_on_while_the_daemon_is_away(path: Path) -> None:
    async with opened(path) as office:
        id_ = await office.ask(to="bob", ttl_s=1.0)
    async with opened(path) as office, trio.open_nursery() as nursery:
        nursery.start_soon(office.desk.run, Context("hive/questions"))
        with trio.fail_after(10):
            await office.broker.wait_queued("ann")
        nursery.cancel_scope.cancel()
        assert (await office.desk.questions.get(id_)).state is QuestionState.EXPIRED


async def test_nothing_expires_before_its_time(office: Office) -> None:
    wall = [1_000.0]
    office.desk.questions._wall = lambda: wall[0]  # type: ignore[method-assign]
    ids = [await office.ask(to="bob", ttl_s=ttl) for ttl in (5.0, 6.0, None)]
    for wall[0], ended in ((1_004.9, 0), (1_005.0, 1), (1_005.9, 0), (1_006.0, 1), (4e9, 0)):
        assert await office.desk.questions.expire() == ended
    assert [q.id for q in await office.desk.questions.listed()] == ids[2:]


async def test_who_is_no_more_is_told_by_way_of_the_operator(office: Office) -> None:
    id_ = await office.ask(to="bob")
    office.names.remove("ann")
    await office.desk.handle("bob", Answer(id_, "red"))
    assert (await office.last(OPERATOR)).in_reply_to == id_


async def test_ids_are_right_after_messages_were_removed(office: Office) -> None:
    last = await office.broker.send(Draft("ann", "bob", "x"))
    await office.store.write(lambda c: fetch(c, "DELETE FROM messages"))
    id_ = await office.ask()
    assert id_ == last + 1 == (await office.last(OPERATOR)).id


# --- the line ----------------------------------------------------------------------------------


async def test_a_line_is_kept_and_cleared(path: Path) -> None:
    async with opened(path) as office:
        for text in ("  paints\x1b[31m\nthe  door ", "  paints\x1b[31m\nthe  door ", "x" * 121):
            try:
                assert await office.desk.handle("ann", SetStatus(text)) == Done()
            except BrokerError as error:
                assert "121 characters, at most 120" in str(error)
        assert office.published == [("ann", Said("paints [31m the door"))]
    async with opened(path) as office:
        assert office.desk.says == {"ann": "paints [31m the door"}
        await office.desk.handle("ann", SetStatus(""))
        assert office.desk.says == {} and office.published == [("ann", Said(""))]
    async with opened(path) as office:
        assert office.desk.says == {}


# --- wake-ups ----------------------------------------------------------------------------------


async def test_one_more_turn_is_one_message_after_the_turn(path: Path) -> None:
    async with opened(path) as office:
        for reason in ("half is\nleft", "again"):
            assert await office.desk.handle("ann", RequestNextTurn(reason)) == Done()
        assert await office.broker.inbox("ann") == (), "recv must not take it in this turn"
        await office.desk.turn_over("bob")
    async with opened(path) as office:  # the daemon was restarted in mid-turn
        for _ in range(3):
            await office.desk.turn_over("ann")
        (message,) = await office.broker.inbox("ann")
        assert message.sender == "ann" and message.body.endswith("one more turn: half is left")
        await office.desk.handle("ann", RequestNextTurn("b"))
        await office.desk.turn_over("ann")
        assert len(await office.broker.inbox("ann")) == 2


async def test_an_agent_cannot_spin_by_itself(office: Office) -> None:
    for _ in range(NEXT_TURNS_AN_HOUR):
        await office.desk.handle("ann", RequestNextTurn("more"))
        await office.desk.turn_over("ann")
    with pytest.raises(TooMany, match=r"12 next turns an hour .* the next one is in 3600 s"):
        await office.desk.handle("ann", RequestNextTurn("more"))
    await office.desk.turn_over("ann")
    assert len(await office.broker.inbox("ann")) == NEXT_TURNS_AN_HOUR
    await office.desk.handle("bob", RequestNextTurn("more"))


async def test_a_script_wakes_its_agent(office: Office) -> None:
    wake = Wake("cron\njob", "the build is done", "k")
    first = await office.desk.handle("ann", wake)
    assert await office.desk.handle("ann", wake) == first
    (message,) = await office.broker.inbox("ann")
    assert message.sender == "ann"
    assert message.body == 'Woken from within your container by "cron job":\nthe build is done'
    with pytest.raises(BrokerError, match="label is empty"):
        await office.desk.handle("ann", Wake("\n", "x"))
    with pytest.raises(BodyTooLarge):
        await office.desk.handle("ann", Wake("x", "x" * 17_000))
    for _ in range(WAKES_AN_HOUR - 1):
        await office.desk.handle("ann", Wake("loop", "x"))
    with pytest.raises(TooMany, match="60 wake-ups by scripts an hour"):
        await office.desk.handle("ann", Wake("loop", "x"))
    assert await office.desk.handle("ann", wake) == first, "a repetition is none"


# --- loose ends --------------------------------------------------------------------------------


async def test_loose_ends_are_what_is_open_and_what_is_held_without_a_reply(
    office: Office,
) -> None:
    asked = await office.ask("ann", to="bob")
    owed = await office.ask("bob", to="ann")
    mine = await office.broker.send(Draft("ann", "bob", "please do"))
    plain = [await office.broker.send(Draft(s, "ann", "x" * 500)) for s in (OPERATOR, "bob")]
    await office.broker.send(Draft("bob", "ann", "done", in_reply_to=mine))
    await office.broker.send(Draft("ann", "ann", "note"))
    await office.broker.send(Draft(HIVE, "ann", "bounce"))
    assert (await office.loose("ann")).unanswered == (), "what waits in the queue is not held"
    await office.broker.lease("ann", "h", "turn", 20)
    loose = await office.loose("ann")
    assert [q.id for q in loose.asked] == [asked] and [q.id for q in loose.owed] == [owed]
    assert [m.id for m in loose.unanswered] == plain and len(loose.unanswered[0].body) == 300
    await office.broker.send(Draft("ann", "bob", "not to him", in_reply_to=plain[0]))
    await office.broker.send(Draft("ann", "bob", "reply", in_reply_to=plain[1]))
    assert [m.id for m in (await office.loose("ann")).unanswered] == plain[:1]
    for _ in range(2):  # again when its answer was lost
        await office.desk.handle("ann", CancelLooseEnd(plain[0]))
    await office.desk.handle("ann", CancelLooseEnd(asked))
    with pytest.raises(NoSuchQuestion, match="only they can withdraw it"):
        await office.desk.handle("ann", CancelLooseEnd(owed))
    with pytest.raises(NoSuchQuestion):
        await office.desk.handle("ann", CancelLooseEnd(mine))
    await office.desk.handle("ann", Answer(owed, "yes"))
    assert await office.loose("ann") == LooseEnds((), (), ())


async def test_nothing_is_left_for_a_new_agent_of_the_same_name(path: Path) -> None:
    async with opened(path) as office:
        id_ = await office.ask(to="bob")
        await office.desk.handle("ann", SetStatus("counts stars"))
        await office.desk.handle("ann", RequestNextTurn("to count on"))
        await office.desk.forget("ann")
        assert office.desk.says == {}
        assert (await office.desk.questions.get(id_)).state is QuestionState.CANCELLED
    async with opened(path) as office:  # also after a restart
        assert office.desk.says == {}
        await office.desk.turn_over("ann")
        assert await office.broker.inbox("ann") == ()
