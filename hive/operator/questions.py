"""Questions that agents have asked, and the operator's answers."""

from contextlib import suppress

from attrs import evolve, frozen

from hive.broker import Broker
from hive.operator.handlers import Act, Handler, Table, newest_that_fit, read, row_limit
from hive.questions import NoSuchQuestion, QuestionService
from hive.wire.messages import Sent
from hive.wire.names import OPERATOR
from hive.wire.questions import Answer, GetQuestions, Questions


def table(service: QuestionService, broker: Broker) -> Table:
    """What the operator may ask about questions, and how he answers them."""
    questions = _Questions(service, broker)
    return {
        GetQuestions: read(questions.listed),
        Answer: Handler(questions.answer, questions.describe),
    }


@frozen
class _Questions:
    service: QuestionService
    broker: Broker

    async def listed(self, asked: GetQuestions) -> Questions:
        found = await self.service.listed(row_limit(asked.limit), ended=asked.ended)
        return Questions(newest_that_fit(found))

    async def answer(self, answer: Answer) -> Sent:
        """Answer as the operator, also in an agent's place; a question to him counts as read then.

        Raises what the questions refuse, for example when the question has ended.
        """
        sent = await self.service.answer(OPERATOR, answer)
        await self.broker.acknowledge([answer.question])
        return Sent(sent)

    async def describe(self, one: Answer) -> Act:
        given = one.text or f"option {' '.join(map(str, one.options))}"
        act = Act("answer", f"question {one.question}", given)
        with suppress(NoSuchQuestion):  # which is the act's to refuse
            asked = await self.service.get(one.question)
            act = evolve(act, detail=f"of {asked.asker}, for {asked.to}: {given}")
        return act
