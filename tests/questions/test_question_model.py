"""Random histories against a model in memory: each question has one end, and one message for it."""

import itertools
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from attrs import define, field, frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.directories import Named

from hive.broker import HIVE, Broker, BrokerError, Draft
from hive.questions import QuestionService
from hive.store import MIGRATIONS, Store, fetch, open_store
from hive.wire.names import OPERATOR
from hive.wire.questions import Answer, Ask, QuestionState

AGENTS = ("ann", "bob")
OPTIONS = ("yes", "no")


@frozen
class Asks:
    asker: str
    to: str
    options: bool
    ttl: float | None
    key: str | None


@frozen
class Answers:
    back: int
    by: str
    text: str


@frozen
class Cancels:
    back: int
    who: str


@frozen
class Waits:
    seconds: float


@frozen
class Expires:
    pass


@frozen
class Mail:
    """Something else takes numbers of messages meanwhile."""


@frozen
class Reopen:
    pass


agents, names = st.sampled_from(AGENTS), st.sampled_from((*AGENTS, OPERATOR))
back = st.integers(0, 3)  # the newest question, the one before it, …
ttls = st.sampled_from((None, None, 5.0, 20.0))
asks = st.builds(Asks, agents, names, st.booleans(), ttls, st.sampled_from((None, "k")))
operations = st.one_of(
    asks,
    asks,
    st.builds(Answers, back, names, st.sampled_from((*OPTIONS, "maybe"))),
    st.builds(Answers, back, names, st.sampled_from(OPTIONS)),
    st.builds(Cancels, back, agents),
    st.builds(Waits, st.sampled_from((1.0, 4.0, 30.0))),
    st.builds(Waits, st.sampled_from((1.0, 4.0))),
    st.just(Expires()),
    st.just(Expires()),
    st.just(Mail()),
    st.just(Reopen()),
)


@define
class ModelQuestion:
    """One question as the model has it; `told` is who gets the message about its end."""

    id: int
    asker: str
    to: str
    options: bool
    expires: float | None
    key: str | None
    state: QuestionState = QuestionState.OPEN
    answer: str | None = None
    by: str | None = None
    teller: str | None = None
    told: str | None = None

    def end(self, state: QuestionState, teller: str, told: str) -> None:
        assert self.state is QuestionState.OPEN, "a question ends once"
        self.state, self.teller, self.told = state, teller, told


@define
class QuestionModel:
    rows: list[ModelQuestion] = field(factory=list)
    mail: int = 0
    now: float = 1_000.0

    def over(self, row: ModelQuestion) -> bool:
        timed_out = row.expires is not None and row.expires <= self.now
        return row.state is not QuestionState.OPEN or timed_out


@asynccontextmanager
async def opened(
    path: Path, model: QuestionModel
) -> AsyncIterator[tuple[Store, Broker, QuestionService]]:
    async with open_store(path, MIGRATIONS) as store:
        broker = Broker(store, Named(lambda: AGENTS), publish=lambda *_: None)
        await broker.load()
        wall = lambda: model.now  # noqa: E731
        yield store, broker, QuestionService(store, broker, Named(lambda: AGENTS), wall=wall)


async def refused(attempt) -> bool:
    try:
        await attempt
    except BrokerError:
        return True
    return False


async def apply(
    broker: Broker, questions: QuestionService, model: QuestionModel, operation: object
) -> None:
    """Do the same to both and compare what they answer."""

    def row(number: int) -> ModelQuestion | None:
        return model.rows[-1 - number] if number < len(model.rows) else None

    match operation:
        case Asks(asker, to, options, ttl, key):
            ask = Ask("Well?", OPTIONS if options else (), ttl_s=ttl, to=to, key=key)
            if asker == to:
                assert await refused(questions.ask(asker, ask))
                return
            known = [r.id for r in model.rows if key and (r.asker, r.key) == (asker, key)]
            id_ = await questions.ask(asker, ask)
            if known:
                assert [id_] == known
                return
            expires = None if ttl is None else model.now + ttl
            model.rows.append(ModelQuestion(id_, asker, to, options, expires, key))
        case Answers(number, by, text):
            attempt = questions.answer(by, Answer(one.id if (one := row(number)) else 999, text))
            if one is None or by not in (one.to, OPERATOR) or (one.options and text == "maybe"):
                assert await refused(attempt)
            elif one.state is QuestionState.ANSWERED and (one.answer, one.by) == (text, by):
                assert (await questions.get(one.id)).end_message == await attempt
            elif model.over(one):
                assert await refused(attempt)
            else:
                await attempt
                one.end(QuestionState.ANSWERED, by, one.asker)
                one.answer, one.by = text, by
        case Cancels(number, who):
            one = row(number)
            attempt = questions.cancel(who, one.id if one else 999)
            if one is None or who != one.asker:
                assert await refused(attempt)
            elif one.state is QuestionState.CANCELLED:
                await attempt
            elif model.over(one):
                assert await refused(attempt)
            else:
                await attempt
                one.end(QuestionState.CANCELLED, who, one.to)
        case Waits(seconds):
            model.now += seconds
        case Expires():
            due = [r for r in model.rows if r.state is QuestionState.OPEN and model.over(r)]
            assert await questions.expire() == len(due)
            for one in due:
                one.end(QuestionState.EXPIRED, HIVE, one.asker)
        case Mail():
            await broker.send(Draft("ann", OPERATOR, "mail"))
            model.mail += 1
        case _:
            raise AssertionError(operation)


async def compare(store: Store, questions: QuestionService, model: QuestionModel) -> None:
    """Every question is what the model says; every message is one of a question, or mail."""
    found = await questions.listed(1_000, ended=True)
    assert [
        (q.id, q.asker, q.to, q.expires_at, q.state, q.answer, q.answered_by) for q in found
    ] == [(r.id, r.asker, r.to, r.expires, r.state, r.answer, r.by) for r in model.rows]
    assert [q.id for q in await questions.listed()] == [
        r.id for r in model.rows if r.state is QuestionState.OPEN
    ]
    sql = "SELECT id, sender, recipient, in_reply_to FROM messages"
    messages = await store.read(lambda c: fetch(c, sql))
    ends = {q.id: q.end_message for q in found if q.end_message is not None}
    expected = [(r.id, r.asker, r.to, None) for r in model.rows]
    expected += [(ends[r.id], r.teller, r.told, r.id) for r in model.rows if r.told]
    mail = [m for m in messages if m not in expected]
    assert len(mail) == model.mail and all(m[1:] == ("ann", OPERATOR, None) for m in mail)
    assert len(messages) == len(expected) + model.mail
    due = [r.expires for r in model.rows if r.state is QuestionState.OPEN and r.expires]
    assert await questions.next_due() == min(due, default=None)


@settings(
    deadline=None,
    max_examples=int(os.environ.get("STRESS", "40")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=st.lists(operations, min_size=15, max_size=50))
async def test_any_history_is_that_of_the_model(history: list[object]) -> None:
    """Each Reopen ends one life of the daemon and begins the next."""
    await trio.lowlevel.checkpoint()
    model = QuestionModel()
    with tempfile.TemporaryDirectory() as folder:
        for is_reopen, life in itertools.groupby(history, lambda o: o == Reopen()):
            if is_reopen:
                continue
            async with opened(Path(folder) / "hive.sqlite", model) as (store, broker, questions):
                await compare(store, questions, model)
                for operation in life:
                    await apply(broker, questions, model, operation)
                await compare(store, questions, model)
