"""Questions: asked, answered, withdrawn, expired; each end with its message in one transaction."""

import time
from collections.abc import Callable, Collection, Sequence

import apsw
from attrs import evolve

from hive.broker import HIVE, Broker, Draft, next_id
from hive.directory import Directory
from hive.questions import policy, rows, texts
from hive.questions.errors import NoSuchQuestion
from hive.questions.expiry import Expiry
from hive.store import Store
from hive.wire.bounds import MAX_ID, MOST_ROWS, clamp
from hive.wire.names import OPERATOR
from hive.wire.questions import Answer, Ask, Question

BATCH = 100
"""Questions that one transaction may let expire."""


class Questions:
    """All questions of the hive. `wall` gives epoch seconds.

    Every method that writes raises StoreError with nothing changed.
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
        self.expiry = Expiry(self.next_due, self.expire, wall)
        """Lets questions expire; the desk runs it."""

    async def ask(self, asker: str, ask: Ask) -> int:
        """Ask, and return the question's id, which is that of the message that carries it.

        Raises BadQuestion, TooMany, and what Broker.check does.
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
            ids = await self._broker.send_within(prepare)
        finally:
            self.expiry.look()
        return ids[0] if first is None else first

    async def answer(self, by: str, answer: Answer) -> int:
        """Answer a question, and return the id of the message that tells its asker.

        The operator may answer for every agent. Raises NoSuchQuestion, QuestionOver, BadAnswer,
        and what Broker.check does.
        """

        def ended(question: Question) -> Question:
            return policy.settled(question, by, answer, self._wall())

        # Looked at outside of the transaction first: the cap of a body is the broker's to check.
        seen = ended(await self.get(answer.question))
        self._broker.check(Draft(by, OPERATOR, texts.answering(seen)))
        return await self._end(answer.question, ended, self._answering)

    async def cancel(self, asker: str, id_: int) -> None:
        """Withdraw a question; whom was asked is told. Raises NoSuchQuestion, QuestionOver."""

        def ended(question: Question) -> Question:
            return policy.withdrawn(question, asker, self._wall())

        await self._end(id_, ended, self._withdrawing)

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
        return len(await self._broker.send_within(prepare))

    async def get(self, id_: int) -> Question:
        """One question; raises NoSuchQuestion."""
        return _there(await self._store.read(lambda c: rows.by_id(c, clamp(id_, 0, MAX_ID))), id_)

    async def listed(self, limit: int = 100, *, ended: bool = False) -> tuple[Question, ...]:
        """The newest open questions, with `ended` all; oldest first."""
        most = clamp(limit, 0, MOST_ROWS)
        return await self._store.read(lambda c: rows.newest(c, most, ended=ended))

    async def next_due(self) -> float | None:
        """When the next question expires (epoch seconds)."""
        return await self._store.read(rows.next_due)

    async def _end(
        self,
        id_: int,
        ended: Callable[[Question], Question],
        tell: Callable[[Question, Collection[str]], Draft],
    ) -> int:
        told = 0

        def prepare(connection: apsw.Connection) -> Sequence[Draft]:
            nonlocal told
            question = _there(rows.by_id(connection, clamp(id_, 0, MAX_ID)), id_)
            after = ended(question)
            if after is question:  # said once already
                told = question.end_message or 0
                return ()
            told = next_id(connection)
            rows.end(connection, evolve(after, end_message=told))
            return (tell(after, known),)

        known = self._directory.names()
        await self._broker.send_within(prepare)
        return told

    def _answering(self, question: Question, known: Collection[str]) -> Draft:
        to = _existing(question.asker, known)
        return Draft(question.answered_by or HIVE, to, texts.answering(question), question.id)

    def _withdrawing(self, question: Question, known: Collection[str]) -> Draft:
        to = _existing(question.to, known)
        return Draft(question.asker, to, texts.withdrawing(question), question.id)


def _existing(name: str, known: Collection[str]) -> str:
    """Whom to tell: the operator, when an agent is no more."""
    return name if name in known else OPERATOR


def _there(question: Question | None, id_: int) -> Question:
    if question is None:
        raise NoSuchQuestion(
            f"there is no question {id_}: `hive questions` lists those that are open, "
            "an agent's tool loose_ends its own"
        )
    return question
