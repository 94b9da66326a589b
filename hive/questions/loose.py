"""Loose ends: what an agent still owes, and what it waits for."""

from collections.abc import Iterable

import apsw
from attrs import define, evolve, field

from hive.broker import Broker, unreplied
from hive.questions import rows
from hive.questions.questions import Questions
from hive.store import Store
from hive.wire.questions import LooseEnds, Question

MOST_LISTED = 20
SHOWN = 300
"""Characters of a text: the agent has written it, or got it as a message. So all fits a frame."""


@define(eq=False)
class LooseThreads:
    """Reads loose ends, and cuts them. What an agent waived is forgotten with this process."""

    store: Store
    broker: Broker
    questions: Questions
    _waived: dict[str, set[int]] = field(init=False, factory=dict)

    async def of(self, agent: str) -> LooseEnds:
        """The agent's loose ends now."""
        waived = self._waived.get(agent, set())

        def read(connection: apsw.Connection) -> LooseEnds:
            unanswered = [
                evolve(one, body=one.body[:SHOWN])
                for one in unreplied(connection, agent)
                if one.id not in waived and rows.by_id(connection, one.id) is None
            ]
            return LooseEnds(
                _cut(rows.asked_by(connection, agent)),
                _cut(rows.owed_by(connection, agent, MOST_LISTED)),
                tuple(unanswered[:MOST_LISTED]),
            )

        return await self.store.read(read)

    async def cancel(self, agent: str, id_: int) -> None:
        """Withdraw the agent's own question, or waive the reply to a message that it holds.

        Raises NoSuchQuestion, QuestionOver.
        """
        if id_ in self._waived.get(agent, ()):
            return  # said again, because the answer was lost
        if id_ not in {one.id for one in (await self.of(agent)).unanswered}:
            await self.questions.cancel(agent, id_)
            return
        held = {one for lease in await self.broker.leases(agent) for one in lease.ids}
        self._waived[agent] = (self._waived.get(agent, set()) & held) | {id_}


def _cut(questions: Iterable[Question]) -> tuple[Question, ...]:
    return tuple(evolve(one, text=one.text[:SHOWN]) for one in questions)
