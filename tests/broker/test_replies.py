"""Which message answers which: who waits for an answer gets that of his own question, or hears
at once that there will be none.
"""

from pathlib import Path

import pytest
import trio
import trio.testing
from support.broker_fixture import BrokerFixture
from support.directories import Named

from hive.broker import BadMessage, Broker, Draft
from hive.questions import QuestionService
from hive.store import MIGRATIONS, Store, open_store
from hive.wire.messages import Awaited, MessageState
from hive.wire.names import OPERATOR
from hive.wire.questions import Ask


class Talk:
    """The operator, and the agent `bob`, whose turns are leases."""

    def __init__(self, bench: BrokerFixture) -> None:
        self.broker, self.leases = bench.broker, 0
        self.got: dict[int, Awaited] = {}

    async def ask(self, body: str = "question") -> int:
        return await self.broker.send(Draft(OPERATOR, "bob", body))

    async def turn(self, messages: int = 1) -> str:
        """A turn of bob that takes so many messages; its lease."""
        self.leases += 1
        lease = await self.broker.lease("bob", "h", f"t{self.leases}", messages)
        assert lease is not None and len(lease.messages) == messages
        return lease.id

    async def end(self, lease: str) -> None:
        await self.broker.ack(lease, "h")

    async def say(self, body: str, reply: int | None = None, to: str = OPERATOR) -> int:
        return await self.broker.send(Draft("bob", to, body, reply, by_turn=True))

    async def wait(self, question: int) -> None:
        self.got[question] = await self.broker.wait_reply(question)

    def answers(self) -> dict[int, str]:
        return {q: one.answer.body for q, one in self.got.items() if one.answer is not None}


@pytest.fixture
def talk(bench: BrokerFixture) -> Talk:
    return Talk(bench)


async def test_each_of_two_callers_gets_his_own_answer_in_reversed_order(talk: Talk) -> None:
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            first, second = await talk.ask("first"), await talk.ask("second")
            nursery.start_soon(talk.wait, first)
            nursery.start_soon(talk.wait, second)
            await trio.testing.wait_all_tasks_blocked(0.02)
            lease = await talk.turn(2)
            await talk.say("to the second", second)
            await trio.testing.wait_all_tasks_blocked(0.02)
            assert talk.answers() == {second: "to the second"}
            await talk.say("to the first", first)
            await talk.end(lease)
    assert talk.answers() == {first: "to the first", second: "to the second"}


async def test_an_answer_that_names_nothing_is_that_of_its_turn(talk: Talk) -> None:
    first, second = await talk.ask(), await talk.ask()
    lease = await talk.turn()
    await talk.say("of the first turn")
    await talk.say("a further note")
    await talk.end(lease)
    lease = await talk.turn()
    await talk.say("of the second turn")
    await talk.end(lease)
    with trio.fail_after(5):  # the wait begins after the answer
        await talk.wait(second)
        await talk.wait(first)
    assert talk.answers() == {first: "of the first turn", second: "of the second turn"}


async def test_two_questions_in_one_turn_are_answered_in_order(talk: Talk) -> None:
    first, second = await talk.ask(), await talk.ask()
    await talk.turn(2)
    await talk.say("one")
    await talk.say("two")
    await talk.say("three: nobody's")
    with trio.fail_after(5):
        await talk.wait(second)
        await talk.wait(first)
    assert talk.answers() == {first: "one", second: "two"}


async def test_in_one_turn_whom_somebody_waits_for_comes_first(talk: Talk) -> None:
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            await talk.ask("for your information")
            asked = await talk.ask("and this?")
            nursery.start_soon(talk.wait, asked)
            await trio.testing.wait_all_tasks_blocked(0.02)
            await talk.turn(2)
            await talk.say("this")
    assert talk.answers() == {asked: "this"}


async def test_what_answers_another_message_is_no_answer(talk: Talk) -> None:
    asked = await talk.ask()
    other = await talk.broker.send(Draft("ann", "bob", "a question of ann"))
    await talk.turn(2)
    await talk.say("to ann", other, to="ann")
    await talk.say("about what ann asked", other)
    await talk.say("to ann, unnamed", to="ann")
    await talk.broker.send(Draft("ann", OPERATOR, "ann guesses", asked, by_turn=True))
    await talk.broker.send(Draft("bob", OPERATOR, "a schedule of bob's"))
    assert (await talk.broker.reply(asked)).answer is None
    await talk.say("the answer")
    with trio.fail_after(5):
        await talk.wait(asked)
    assert talk.answers() == {asked: "the answer"}


async def test_an_agent_that_asked_others_first_answers_in_a_later_turn(talk: Talk) -> None:
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            never = await talk.ask("nobody waits for this")
            first, second = await talk.ask("find out"), await talk.ask("and this")
            for question in (first, second):
                nursery.start_soon(talk.wait, question)
            await trio.testing.wait_all_tasks_blocked(0.02)
            await talk.end(await talk.turn(3))
            for told in ("found", "and that"):
                await talk.broker.send(Draft("ann", "bob", "the facts"))
                lease = await talk.turn()
                await talk.say(told)
                await talk.end(lease)
    assert talk.answers() == {first: "found", second: "and that"}
    assert (await talk.broker.reply(never)).answer is None


async def test_a_question_of_the_agent_is_an_answer_that_asks_back(
    talk: Talk, store: Store
) -> None:
    questions = QuestionService(store, talk.broker, Named(lambda: {"bob"}))
    asked = await talk.ask("paint it")
    await talk.turn()
    back = await questions.ask("bob", Ask("Which colour?"))
    with trio.fail_after(5):
        await talk.wait(asked)
    answer = talk.got[asked].answer
    assert answer is not None and answer.id == back


async def test_the_answer_to_a_message_that_was_delivered_again(talk: Talk) -> None:
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            asked = await talk.ask()
            nursery.start_soon(talk.wait, asked)
            await trio.testing.wait_all_tasks_blocked(0.02)
            lease = await talk.turn()
            await talk.broker.nack(lease, "h", count=True, why="crashed")
            await trio.testing.wait_all_tasks_blocked(0.02)
            assert asked not in talk.got
            await talk.turn()
            await talk.say("the second time")
    assert talk.answers() == {asked: "the second time"}
    assert talk.got[asked].question.redelivered


async def test_who_waits_for_a_message_that_dies_hears_it_at_once(talk: Talk) -> None:
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            asked = await talk.ask("doomed")
            nursery.start_soon(talk.wait, asked)
            await trio.testing.wait_all_tasks_blocked(0.02)
            for _ in range(5):
                lease = await talk.turn()
                await talk.broker.nack(lease, "h", count=True, why="it always crashes")
    found = talk.got[asked]
    assert (found.question.state, found.answer) == (MessageState.DEAD, None)
    assert found.bounce is not None and "it always crashes" in found.bounce.body


@pytest.mark.parametrize("end", ["held", "dropped", "destroyed"])
async def test_who_waits_for_what_nobody_will_answer_hears_it_at_once(
    talk: Talk, bench: BrokerFixture, end: str
) -> None:
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            asked = await talk.ask()
            if end == "dropped":
                await held(talk)
                await talk.broker.retry([asked])
            nursery.start_soon(talk.wait, asked)
            await trio.testing.wait_all_tasks_blocked(0.02)
            assert asked not in talk.got
            if end == "destroyed":
                await talk.broker.dead_letter_all("bob")
            else:
                await held(talk)
            if end == "dropped":
                await talk.broker.drop([asked])
    found = talk.got[asked]
    assert found.question.state is (MessageState.DEAD if end == "destroyed" else MessageState.HELD)
    assert (found.bounce is not None) == (end == "destroyed")


async def held(talk: Talk) -> None:
    for _ in range(6):
        lease = await talk.turn()
        await talk.broker.nack(lease, "h", count=False, limited=True, why="a limit")


async def test_a_retried_message_may_be_waited_for_again(talk: Talk) -> None:
    asked = await talk.ask()
    await held(talk)
    await talk.broker.drop([asked])
    with trio.fail_after(10):
        await talk.wait(asked)
        assert talk.got[asked].question.state is MessageState.DEAD
        await talk.broker.retry([asked])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk.wait, asked)
            await trio.testing.wait_all_tasks_blocked(0.02)
            await talk.turn()
            await talk.say("after all")
    assert talk.answers() == {asked: "after all"}


async def test_who_gives_up_waiting_is_forgotten(talk: Talk) -> None:
    asked = await talk.ask()
    with trio.move_on_after(0.05):
        await talk.wait(asked)
    await talk.end(await talk.turn())
    await talk.broker.send(Draft("ann", "bob", "work"))
    await talk.turn()
    await talk.say("a note")
    assert (await talk.broker.reply(asked)).answer is None
    assert not talk.broker._awaited


@pytest.mark.parametrize("id_", [0, -1, 999, 2**80])
async def test_only_the_operators_own_messages_can_be_waited_for(talk: Talk, id_: int) -> None:
    await talk.broker.send(Draft("ann", "bob", "work"))
    for wrong in (id_, 1):
        with pytest.raises(BadMessage, match=f"no message {wrong} of the operator"):
            await talk.broker.wait_reply(wrong)


async def test_an_answer_is_found_again_by_the_next_daemon(tmp_path: Path) -> None:
    async def daemon(store: Store) -> Talk:
        broker = Broker(store, Named(lambda: {"bob"}), publish=lambda *_: None)
        await broker.load()
        return Talk(BrokerFixture(broker, [], {"bob"}))

    async with open_store(tmp_path / "db", MIGRATIONS) as store:
        talk = await daemon(store)
        asked = await talk.ask()
        await talk.turn()
        await talk.say("the answer")
    async with open_store(tmp_path / "db", MIGRATIONS) as store:
        talk = await daemon(store)
        with trio.fail_after(5):
            await talk.wait(asked)
    assert talk.answers() == {asked: "the answer"}
