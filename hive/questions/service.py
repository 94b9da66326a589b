"""Questions: asked, answered, withdrawn, expired; each end with its message in one transaction."""

import time
from collections.abc import Callable, Collection, Iterable, Sequence

import apsw
import trio
from attrs import evolve

from hive.alarm import Alarm
from hive.broker import HIVE, Broker, BrokerError, Draft, next_id, unreplied
from hive.directory import Directory
from hive.questions import policy, rows, texts
from hive.questions.policy import NoSuchQuestion
from hive.store import Store, StoreError
from hive.supervisors import Context
from hive.wire.bounds import MAX_ID, MOST_ROWS, clamp
from hive.wire.daemon import Done
from hive.wire.messages import Sent
from hive.wire.names import OPERATOR
from hive.wire.questions import (
    Answer,
    Ask,
    CancelLooseEnd,
    FromAgent,
    GetLooseEnds,
    LooseEnds,
    Question,
)

BATCH = 100
"""Questions that one transaction may let expire."""

RETRY_S = 5.0
MOST_LOOSE_ENDS = 20
"""Of each kind."""

SHOWN = 300
"""Characters of a loose end's text. The agent has written it, or got it as a message."""


class QuestionService:
    """All questions of the hive, and what agents owe. `wall` gives epoch seconds.

    Every method that reads or writes raises StoreError; a write has then changed nothing.
    """

    def __init__(
        self,
        store: Store,
        broker: Broker,
        directory: Directory,
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._broker = broker
        self._directory = directory
        self._wall = wall
        self._alarm = Alarm(wall)
        self._waived: dict[str, set[int]] = {}
        """Messages to which an agent needs not reply, as it says; forgotten with this process."""

    # --- asked by agents -----------------------------------------------------------------------

    async def handle(self, agent: str, body: FromAgent) -> Sent | LooseEnds | Done:
        """Answer a request from the agent's own socket; raises what the method for it does."""
        match body:
            case Ask():
                return Sent(await self.ask(agent, body))
            case Answer():
                return Sent(await self.answer(agent, body))
            case GetLooseEnds():
                return await self.loose_ends(agent)
            case CancelLooseEnd(id_):
                await self.cancel_loose_end(agent, id_)
                return Done()

    async def ask(self, asker: str, ask: Ask) -> int:
        """Ask, and return the question's id, which is that of the message that carries it.

        The same `key` again asks nothing and gives the first id. Raises BadQuestion for one that
        cannot be, TooManyQuestions when too many are open, and what Broker.check does.
        """
        # Checked with the longest id that there is; the real one is known in the transaction.
        question = policy.new_question(asker, ask, id_=MAX_ID, now=self._wall())
        self._broker.check(Draft(asker, ask.to, texts.asking(question)))
        first: int | None = None

        def prepare(connection: apsw.Connection) -> Sequence[Draft]:
            nonlocal first
            first = rows.id_of_key(connection, asker, ask.key)
            if first is not None:
                return ()
            policy.check_room([one.id for one in rows.asked_by(connection, asker)])
            asked = evolve(question, id=next_id(connection))
            rows.insert(connection, asked, ask.key)
            return (Draft(asker, asked.to, texts.asking(asked), by_turn=True),)

        try:
            ids = await self._broker.send_in_transaction(prepare)
        finally:
            self._alarm.ring()
        return ids[0] if first is None else first

    async def answer(self, by: str, answer: Answer) -> int:
        """Answer a question, and return the id of the message that tells its asker.

        The operator may answer for every agent. Raises NoSuchQuestion if there is none or it was
        not put to `by`, QuestionOver when it has ended otherwise, BadAnswer for what is none of its
        options, and what Broker.check does.
        """

        def ended(question: Question) -> Question:
            return policy.answered(question, by, answer, self._wall())

        # Looked at outside of the transaction first: the cap of a body is the broker's to check.
        seen = ended(await self.get(answer.question))
        self._broker.check(Draft(by, OPERATOR, texts.answering(seen)))
        return await self._end(answer.question, ended, self._answering)

    async def cancel(self, asker: str, id_: int) -> None:
        """Withdraw a question; its recipient is told.

        Raises NoSuchQuestion if there is none or it is somebody else's, QuestionOver.
        """

        def ended(question: Question) -> Question:
            return policy.withdrawn(question, asker, self._wall())

        await self._end(id_, ended, self._withdrawing)

    async def loose_ends(self, agent: str) -> LooseEnds:
        """What the agent owes and waits for now; all texts are cut to fit into one frame."""
        waived = self._waived.get(agent, set())

        def read(connection: apsw.Connection) -> LooseEnds:
            unanswered = [
                evolve(one, body=one.body[:SHOWN])
                for one in unreplied(connection, agent)
                if one.id not in waived and rows.by_id(connection, one.id) is None
            ]
            return LooseEnds(
                _cut(rows.asked_by(connection, agent)),
                _cut(rows.owed_by(connection, agent, MOST_LOOSE_ENDS)),
                tuple(unanswered[:MOST_LOOSE_ENDS]),
            )

        return await self._store.read(read)

    async def cancel_loose_end(self, agent: str, id_: int) -> None:
        """Withdraw the agent's own question, or waive the reply to a message that it holds.

        Raises NoSuchQuestion if it is neither, QuestionOver when the question has ended.
        """
        if id_ in self._waived.get(agent, ()):
            return  # said again, because the answer was lost
        if id_ not in {one.id for one in (await self.loose_ends(agent)).unanswered}:
            await self.cancel(agent, id_)
            return
        held = {one for lease in await self._broker.leases(agent) for one in lease.ids}
        self._waived[agent] = (self._waived.get(agent, set()) & held) | {id_}

    # --- asked by the operator -----------------------------------------------------------------

    async def get(self, id_: int) -> Question:
        """Return one question; raises NoSuchQuestion if there is none."""
        return _found(await self._store.read(lambda c: rows.by_id(c, clamp(id_, 0, MAX_ID))), id_)

    async def listed(self, limit: int = 100, *, ended: bool = False) -> tuple[Question, ...]:
        """Return the newest open questions, with `ended` those of every state; oldest first."""
        most = clamp(limit, 0, MOST_ROWS)
        return await self._store.read(lambda c: rows.newest(c, most, ended=ended))

    async def forget(self, agent: str) -> None:
        """Withdraw all open questions of an agent that is no more."""
        for question in await self.listed(MOST_ROWS):
            if question.asker == agent:
                await self.cancel(agent, question.id)

    # --- expiry --------------------------------------------------------------------------------

    async def run(self, ctx: Context) -> None:
        """The supervised child: lets questions expire when their time is over.

        A cancellation never comes between a question's end and its message. A store that cannot
        be read or written only delays: what is due stays due.
        """
        ctx.ready(self)
        while True:
            ctx.tick()
            self._alarm.reset()
            try:
                due = await self.next_due()
                ctx.note(None)
                await self._alarm.wait(due, ctx.tick)
                if due is not None and due <= self._wall() and not await self.expire():
                    await trio.sleep(RETRY_S)  # nothing was, after all: no busy loop
            except (StoreError, BrokerError) as error:
                ctx.note(f"cannot end questions: {error}"[:200])
                await trio.sleep(RETRY_S)

    async def expire(self) -> int:
        """Let up to `BATCH` questions expire whose time is over; returns how many that were."""

        def prepare(connection: apsw.Connection) -> Sequence[Draft]:
            now, first = self._wall(), next_id(connection)
            over = rows.due(connection, now, BATCH)
            for place, question in enumerate(over):
                after = policy.expired(question, now)
                rows.end(connection, evolve(after, end_message=first + place))
            return [
                Draft(HIVE, _existing(one.asker, known), texts.expiring(one), one.id)
                for one in over
            ]

        known = self._directory.names()
        return len(await self._broker.send_in_transaction(prepare))

    async def next_due(self) -> float | None:
        """When the next question expires (epoch seconds); None: no open one does."""
        return await self._store.read(rows.next_due)

    # --- inside --------------------------------------------------------------------------------

    async def _end(
        self,
        id_: int,
        ended: Callable[[Question], Question],
        tell: Callable[[Question, Collection[str]], Draft],
    ) -> int:
        message_id = 0

        def prepare(connection: apsw.Connection) -> Sequence[Draft]:
            nonlocal message_id
            question = _found(rows.by_id(connection, clamp(id_, 0, MAX_ID)), id_)
            after = ended(question)
            if after is question:  # said once already
                message_id = question.end_message or 0
                return ()
            message_id = next_id(connection)
            rows.end(connection, evolve(after, end_message=message_id))
            return (tell(after, known),)

        known = self._directory.names()
        await self._broker.send_in_transaction(prepare)
        return message_id

    def _answering(self, question: Question, known: Collection[str]) -> Draft:
        to = _existing(question.asker, known)
        return Draft(question.answered_by or HIVE, to, texts.answering(question), question.id)

    def _withdrawing(self, question: Question, known: Collection[str]) -> Draft:
        to = _existing(question.to, known)
        return Draft(question.asker, to, texts.withdrawing(question), question.id)


def _existing(name: str, known: Collection[str]) -> str:
    """Whom to tell: the operator, when an agent is no more."""
    return name if name in known else OPERATOR


def _found(question: Question | None, id_: int) -> Question:
    if question is None:
        raise NoSuchQuestion(
            f"there is no question {id_}: `hive questions` lists those that are open, "
            "an agent's tool loose_ends its own"
        )
    return question


def _cut(questions: Iterable[Question]) -> tuple[Question, ...]:
    return tuple(evolve(one, text=one.text[:SHOWN]) for one in questions)
