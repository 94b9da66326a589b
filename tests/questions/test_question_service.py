"""Questions on a real store: one transaction for each end, loose ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest
import trio
from attrs import define
from support.directories import Named

from hive.broker import HIVE, BodyTooLarge, Broker, Draft, UnknownRecipient
from hive.questions import (
    BadAnswer,
    NoSuchQuestion,
    QuestionOver,
    QuestionService,
    TooManyQuestions,
    policy,
)
from hive.store import MIGRATIONS, Store, fetch, open_store
from hive.supervisors import Context
from hive.wire.messages import Message, Sent
from hive.wire.names import OPERATOR
from hive.wire.questions import Answer, Ask, CancelLooseEnd, GetLooseEnds, LooseEnds, QuestionState


@define
class QuestionFixture:
    store: Store
    broker: Broker
    questions: QuestionService
    names: set[str]

    async def ask(self, asker: str = "ann", **more: Any) -> int:
        sent = await self.questions.handle(asker, Ask("Red?", **more))
        assert isinstance(sent, Sent)
        return sent.id

    async def last(self, name: str) -> Message:
        return (await self.broker.inbox(name))[-1]

    async def loose(self, agent: str) -> LooseEnds:
        found = await self.questions.handle(agent, GetLooseEnds())
        assert isinstance(found, LooseEnds)
        return found


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[QuestionFixture]:
    names = {"ann", "bob"}
    async with open_store(path, MIGRATIONS) as store:
        broker = Broker(store, Named(lambda: names), publish=lambda *_: None)
        await broker.load()
        questions = QuestionService(store, broker, Named(lambda: names))
        yield QuestionFixture(store, broker, questions, names)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hive.sqlite"


@pytest.fixture
async def office(path: Path) -> AsyncIterator[QuestionFixture]:
    async with opened(path) as office:
        yield office


# --- questions ---------------------------------------------------------------------------------


async def test_a_question_is_a_message_and_its_answer_a_reply(office: QuestionFixture) -> None:
    id_ = await office.ask(options=("yes", "no"))
    asked = await office.last(OPERATOR)
    assert (asked.id, asked.sender) == (id_, "ann")
    assert "Red?" in asked.body and "  2. no" in asked.body and f"hive answer {id_}" in asked.body
    sent = await office.questions.answer(OPERATOR, Answer(id_, options=(2,)))
    reply = await office.last("ann")
    assert (reply.id, reply.sender, reply.in_reply_to) == (sent, OPERATOR, id_)
    assert reply.body.endswith(":\nno") and "in the place of" not in reply.body


async def test_the_operator_in_an_agents_place_is_named(office: QuestionFixture) -> None:
    id_ = await office.ask(to="bob")
    assert f"question={id_}" in (await office.last("bob")).body
    await office.questions.answer(OPERATOR, Answer(id_, "blue"))
    reply = await office.last("ann")
    assert reply.sender == OPERATOR and "given by the operator in the place of bob" in reply.body
    with pytest.raises(QuestionOver, match="answered by operator"):
        await office.questions.handle("bob", Answer(id_, "red"))


async def test_the_same_key_asks_once_and_the_same_answer_answers_once(
    office: QuestionFixture,
) -> None:
    id_ = await office.ask(key="k", to="bob")
    assert await office.ask(key="k", to="bob") == id_
    first = await office.questions.handle("bob", Answer(id_, "red"))
    assert await office.questions.handle("bob", Answer(id_, "red")) == first
    assert len(await office.broker.inbox("bob")) == len(await office.broker.inbox("ann")) == 1


async def test_what_is_refused_leaves_nothing(office: QuestionFixture) -> None:
    with pytest.raises(UnknownRecipient):
        await office.ask(to="carl")
    with pytest.raises(NoSuchQuestion):
        await office.questions.handle("bob", Answer(-(2**80), "x"))
    id_ = await office.ask(to="bob", options=("a", "b"))
    with pytest.raises(BadAnswer):
        await office.questions.handle("bob", Answer(id_, "c"))
    with pytest.raises(NoSuchQuestion):
        await office.questions.handle("ann", Answer(id_, "a"))
    free = await office.ask(to="bob")
    with pytest.raises(BodyTooLarge):
        await office.questions.handle("bob", Answer(free, "x" * 17_000))
    assert await office.broker.inbox("ann") == ()
    open_ = await office.questions.listed()
    assert [(q.id, q.state) for q in open_] == [(id_, "open"), (free, "open")]


async def test_twenty_open_questions_are_enough(office: QuestionFixture) -> None:
    ids = [await office.ask() for _ in range(policy.MOST_OPEN)]
    with pytest.raises(TooManyQuestions, match=f"open: {ids[0]}, {ids[1]}"):
        await office.ask()
    await office.ask("bob")
    await office.questions.handle("ann", CancelLooseEnd(ids[3]))
    assert "withdrawn" in (await office.last(OPERATOR)).body
    await office.ask()


async def test_many_at_once_never_pass_the_cap(office: QuestionFixture) -> None:
    made: list[int] = []

    async def one() -> None:
        try:
            made.append(await office.ask())
        except TooManyQuestions:
            pass

    async with trio.open_nursery() as nursery:
        for _ in range(2 * policy.MOST_OPEN):
            nursery.start_soon(one)
    assert len(set(made)) == policy.MOST_OPEN
    assert [m.id for m in await office.broker.inbox(OPERATOR)] == sorted(made)


async def test_of_many_answers_at_once_one_counts(office: QuestionFixture) -> None:
    id_ = await office.ask(to="bob")
    refused = []

    async def one(by: str, text: str) -> None:
        try:
            await office.questions.answer(by, Answer(id_, text))
        except QuestionOver as error:
            refused.append(error)

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(one, ("bob", OPERATOR)[number % 2], f"text {number}")
    assert len(refused) == 9 and len(await office.broker.inbox("ann")) == 1


async def test_an_end_and_its_message_are_one(office: QuestionFixture) -> None:
    """The insert of the message fails: the question is open as before."""
    id_ = await office.ask(to="bob", ttl_s=1.0)

    def break_(connection: apsw.Connection) -> None:
        fetch(
            connection,
            "CREATE TRIGGER broken BEFORE INSERT ON messages BEGIN SELECT raise(ABORT, 'no'); END",
        )

    await office.store.write(break_)
    office.questions._wall = lambda: 4e9  # type: ignore[method-assign]
    with pytest.raises(apsw.ConstraintError):
        await office.questions.expire()
    with pytest.raises(apsw.ConstraintError):
        await office.ask(key="k")
    (question,) = await office.questions.listed(ended=True)
    assert (question.id, question.state) == (id_, QuestionState.OPEN)
    await office.store.write(lambda c: fetch(c, "DROP TRIGGER broken"))
    assert await office.questions.expire() == 1
    told = await office.last("ann")
    assert (told.sender, told.in_reply_to) == (HIVE, id_) and told.body.startswith("No answer: bob")


async def test_time_to_live_goes_on_while_the_daemon_is_away(path: Path) -> None:
    async with opened(path) as office:
        id_ = await office.ask(to="bob", ttl_s=1.0)
    async with opened(path) as office, trio.open_nursery() as nursery:
        nursery.start_soon(office.questions.run, Context("hive/questions"))
        with trio.fail_after(10):
            await office.broker.wait_queued("ann")
        nursery.cancel_scope.cancel()
        assert (await office.questions.get(id_)).state is QuestionState.EXPIRED


async def test_nothing_expires_before_its_time(office: QuestionFixture) -> None:
    wall = [1_000.0]
    office.questions._wall = lambda: wall[0]  # type: ignore[method-assign]
    ids = [await office.ask(to="bob", ttl_s=ttl) for ttl in (5.0, 6.0, None)]
    for wall[0], ended in ((1_004.9, 0), (1_005.0, 1), (1_005.9, 0), (1_006.0, 1), (4e9, 0)):
        assert await office.questions.expire() == ended
    assert [q.id for q in await office.questions.listed()] == ids[2:]


async def test_who_is_no_more_is_told_by_way_of_the_operator(office: QuestionFixture) -> None:
    id_ = await office.ask(to="bob")
    office.names.remove("ann")
    await office.questions.handle("bob", Answer(id_, "red"))
    assert (await office.last(OPERATOR)).in_reply_to == id_


async def test_ids_are_right_after_messages_were_removed(office: QuestionFixture) -> None:
    last = await office.broker.send(Draft("ann", "bob", "x"))
    await office.store.write(lambda c: fetch(c, "DELETE FROM messages"))
    id_ = await office.ask()
    assert id_ == last + 1 == (await office.last(OPERATOR)).id


# --- loose ends --------------------------------------------------------------------------------


async def test_loose_ends_are_what_is_open_and_what_is_held_without_a_reply(
    office: QuestionFixture,
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
        await office.questions.handle("ann", CancelLooseEnd(plain[0]))
    await office.questions.handle("ann", CancelLooseEnd(asked))
    with pytest.raises(NoSuchQuestion, match="only they can withdraw it"):
        await office.questions.handle("ann", CancelLooseEnd(owed))
    with pytest.raises(NoSuchQuestion):
        await office.questions.handle("ann", CancelLooseEnd(mine))
    await office.questions.handle("ann", Answer(owed, "yes"))
    assert await office.loose("ann") == LooseEnds((), (), ())


async def test_nothing_is_left_for_a_new_agent_of_the_same_name(path: Path) -> None:
    async with opened(path) as office:
        id_ = await office.ask(to="bob")
        await office.questions.forget("ann")
        assert (await office.questions.get(id_)).state is QuestionState.CANCELLED
