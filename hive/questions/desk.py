"""The desk: one child of the hive that keeps questions, lines and self-made wake-ups."""

import logging
import uuid
from collections.abc import Callable, Mapping

from hive.broker import Broker
from hive.directory import Directory
from hive.questions.loose import LooseThreads
from hive.questions.questions import Questions
from hive.questions.says import Says
from hive.questions.wakes import Wakes
from hive.store import Store, StoreError
from hive.supervisors import Context
from hive.wire import agents, questions, wake_ups
from hive.wire.agents import Said, SetStatus
from hive.wire.bodies import Body
from hive.wire.bounds import MOST_ROWS
from hive.wire.daemon import Done
from hive.wire.events import Event
from hive.wire.messages import Sent
from hive.wire.names import OPERATOR
from hive.wire.questions import Answer, Ask, CancelLooseEnd, GetLooseEnds
from hive.wire.wake_ups import RequestNextTurn, Wake

_log = logging.getLogger(__name__)


class Desk:
    """What agents' sockets and the operator's ask here. Raises BrokerError and StoreError."""

    def __init__(
        self,
        store: Store,
        broker: Broker,
        directory: Directory,
        *,
        publish: Callable[[str | None, Event], object],
    ) -> None:
        self.questions = Questions(store, broker, directory)
        self._says = Says(store, lambda agent, line: publish(agent, Said(line)))
        self._wakes = Wakes(store, broker)
        self._loose = LooseThreads(store, broker, self.questions)

    async def run(self, ctx: Context) -> None:
        """The supervised child: load, then let questions expire when their time is over."""
        await self.load()
        ctx.ready(self)
        await self.questions.expiry.run(ctx)

    async def load(self) -> None:
        """Read what is kept in memory; to be called once before anything else."""
        await self._says.load()
        await self._wakes.load()

    @property
    def says(self) -> Mapping[str, str]:
        """Each agent's line, live; a name that is missing says nothing."""
        return self._says.lines

    async def handle(
        self, agent: str, body: agents.FromAgent | questions.FromAgent | wake_ups.FromAgent
    ) -> Body:
        """Answer a request from the agent's own socket."""
        match body:
            case Ask():
                return Sent(await self.questions.ask(agent, body))
            case Answer():
                return Sent(await self.questions.answer(agent, body))
            case GetLooseEnds():
                return await self._loose.of(agent)
            case CancelLooseEnd(id_):
                await self._loose.cancel(agent, id_)
            case SetStatus(text):
                await self._says.set(agent, text)
            case RequestNextTurn(reason):
                await self._wakes.next_turn(agent, reason)
            case Wake(label, text, key):
                return Sent(await self._wakes.wake(agent, label, text, key or uuid.uuid4().hex))
        return Done()

    async def answer_as_operator(self, answer: Answer) -> int:
        """The operator's answer, also in an agent's place; returns the message's id."""
        return await self.questions.answer(OPERATOR, answer)

    async def forget(self, agent: str) -> None:
        """The agent is no more: its questions are withdrawn, its line and wake-ups go."""
        for question in await self.questions.listed(MOST_ROWS):
            if question.asker == agent:
                await self.questions.cancel(agent, question.id)
        await self._says.set(agent, "")
        await self._wakes.forget(agent)

    async def turn_over(self, agent: str) -> None:
        """No turn of the agent runs now; what it ordered for then is sent. Never raises for that:
        a full disk must not keep an agent from its work.
        """
        try:
            await self._wakes.turn_over(agent)
        except StoreError as error:
            _log.warning("%s is not woken once more for now: %s", agent, error)
