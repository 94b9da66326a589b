"""Random histories against a list in memory: nothing lost, doubled or invented."""

import itertools
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import define, field, frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.directories import Named

from hive.broker import HIVE, BadMessage, Broker, Counts, Draft, NotUrgent, Rate
from hive.janitor import Janitor, Retention
from hive.store import MIGRATIONS, Store, open_store
from hive.wire.names import EVERYBODY, OPERATOR

AGENTS = ("ann", "bob", "cas")
HOLDERS = ("h1", "h2")
MAX_ATTEMPTS = 5
MAX_REDELIVERIES = 2  # so that random histories reach it
RESERVE = "bob"  # the only one to whom messages may be urgent


@frozen
class Sends:
    sender: str
    to: str
    key: str | None
    urgent: bool = False


@frozen
class Takes:
    agent: str
    holder: str
    limit: int
    urgent_only: bool = False


@frozen
class Joins:
    lease: int
    holder: str
    limit: int
    urgent_only: bool = False


@frozen
class Acks:
    lease: int
    holder: str


@frozen
class Nacks:
    lease: int
    holder: str
    reason: str


@frozen
class Releases:
    agent: str
    keep_holder: str | None
    keep_lease: int | None
    count: bool


@frozen
class Reads:
    ids: tuple[int, ...]


@frozen
class Retries:
    ids: tuple[int, ...]


@frozen
class Drops:
    ids: tuple[int, ...]


@frozen
class Destroys:
    """The end of an agent, of whose name there is a new one at once."""

    agent: str


@frozen
class Retains:
    """The janitor's round, when everything is old."""


@frozen
class Reopens:
    pass


agents, holders = st.sampled_from((*AGENTS[:2], *AGENTS)), st.sampled_from(HOLDERS)
names = st.sampled_from((*AGENTS, OPERATOR))
recipients = st.sampled_from((*AGENTS, *AGENTS, EVERYBODY, OPERATOR))
back = st.sampled_from((0, 0, 0, 1, 2, 3))  # the newest lease, the one before it, …
some = st.lists(st.integers(1, 12), max_size=6).map(tuple)
rarely = st.sampled_from((False, False, False, True))
reasons = st.sampled_from(("counted", "limited", "neither"))
keys = st.sampled_from((None, None, None, "k1", "k2"))
sends = st.builds(Sends, names, recipients, keys, rarely)
takes = st.builds(Takes, agents, holders, st.integers(1, 3), rarely)
joins = st.builds(Joins, back, holders, st.integers(1, 3), rarely)


@st.composite
def turns(draw: st.DrawFn) -> list[object]:
    """What random operations rarely make of themselves: a message taken and ended, and again."""
    take = draw(takes)
    sent = Sends(draw(names), take.agent, None, take.urgent_only and take.agent == RESERVE)
    holder = take.holder
    joined: list[object] = [Joins(0, holder, 1)] if draw(rarely) else []
    ends: tuple[list[object], ...] = (
        [Acks(0, holder)],
        [Nacks(0, holder, "counted")],
        [Nacks(0, holder, "limited")],
        [Releases(take.agent, None, None, True)],
        [Reopens()],
    )
    once = [take, *joined, *draw(st.sampled_from(ends))]
    return [sent, *once * draw(st.integers(1, 5))]


one = st.one_of(
    takes,
    joins,
    st.builds(Acks, back, holders),
    st.builds(Nacks, back, holders, reasons),
    st.builds(Releases, agents, st.none() | holders, st.none() | back, st.booleans()),
    st.builds(Reads, some),
    st.builds(Retries, some),
    st.builds(Drops, some),
    st.builds(Destroys, agents),
    st.just(Retains()),
    st.just(Reopens()),
)
episodes = st.one_of(
    st.lists(sends, min_size=1, max_size=4), turns(), turns(), one.map(lambda o: [o])
)
histories = st.lists(episodes, min_size=10, max_size=30).map(
    lambda parts: [operation for part in parts for operation in part]
)


@define
class ModelMessage:
    """One message as the model has it."""

    id: int
    sender: str
    recipient: str
    key: str | None = None
    state: str = "queued"
    urgent: bool = False
    attempts: int = 0
    returns: int = 0
    redelivered: bool = False
    lease: str | None = None
    holder: str | None = None
    broadcast: bool = False


@define
class BrokerModel:
    rows: list[ModelMessage] = field(factory=list)
    last: int = 0
    """The highest id that ever was."""

    def add(self, *rows: ModelMessage) -> None:
        self.rows = sorted([*self.rows, *rows], key=lambda row: row.id)
        self.last = max((self.last, *(row.id for row in rows)))

    def queued(self, agent: str, limit: int, urgent_only: bool = False) -> list[ModelMessage]:
        waiting = [r for r in self.rows if r.recipient == agent and r.state == "queued"]
        return [r for r in waiting if r.urgent or not urgent_only][:limit]

    def held(self, lease: str, holder: str) -> list[ModelMessage]:
        return [r for r in self.rows if (r.state, r.lease, r.holder) == ("leased", lease, holder)]

    def nack(self, rows: list[ModelMessage], count: bool) -> list[ModelMessage]:
        """Return these; gives those that are dead now."""
        for row in rows:
            row.redelivered, row.lease, row.holder = True, None, None
            row.attempts += 1 if count else 0
            row.state = "dead" if row.attempts == MAX_ATTEMPTS else "queued"
        return [row for row in rows if row.state == "dead"]

    def send_back(self, rows: list[ModelMessage]) -> list[ModelMessage]:
        """A limit returns these; gives those that are held now."""
        for row in rows:
            row.redelivered, row.lease, row.holder = True, None, None
            row.returns += 1
            row.state = "held" if row.returns > MAX_REDELIVERIES else "queued"
        return [row for row in rows if row.state == "held"]

    def undelivered(self, ids: tuple[int, ...]) -> list[ModelMessage]:
        return [r for r in self.rows if r.id in ids and r.state in ("dead", "held")]

    def counts(self) -> dict[str, Counts]:
        def number(name: str, state: str) -> int:
            return sum(r.recipient == name and r.state == state for r in self.rows)

        return {
            name: Counts(
                queued=number(name, "queued"),
                leased=number(name, "leased"),
                dead=number(name, "dead"),
                held=number(name, "held"),
                urgent=len(self.queued(name, 999, urgent_only=True)),
            )
            for name in (*AGENTS, OPERATOR)
        }


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[tuple[Broker, Store]]:
    async with open_store(path, MIGRATIONS) as store:
        broker = Broker(
            store,
            publish=lambda *_: None,
            directory=Named(lambda: AGENTS),
            max_redeliveries=MAX_REDELIVERIES,
            urgent=lambda name: None if name == RESERVE else "no reserve",
            broadcasts=Rate(burst=10_000, every=1.0),
        )
        await broker.load()
        yield broker, store


async def retain(store: Store) -> int:
    """A round of the janitor in the far future; how many messages it removed."""

    async def no_events(before: float, limit: int) -> int:
        await trio.lowlevel.checkpoint()
        return 0

    janitor = Janitor(store, Retention(), no_events, wall=lambda: time.time() + 50 * 86_400)
    removed, _ = await janitor.round()
    return removed


async def apply(
    broker: Broker, store: Store, model: BrokerModel, operation: object, leases: list[str]
) -> None:
    """Do the same to both and compare what they answer."""

    def name(number: int) -> str:
        return leases[-1 - number] if number < len(leases) else f"never-{number}"

    dead: list[ModelMessage] = []
    new: list[ModelMessage] = []
    gone: str | None = None
    match operation:
        case Sends(sender, to, key, urgent):
            draft = Draft(sender, to, "text", key=key, urgent=urgent)
            known = [r.id for r in model.rows if key and (r.sender, r.key) == (sender, key)]
            if urgent and to == EVERYBODY:
                with pytest.raises(BadMessage, match="cannot be urgent"):
                    await broker.send(draft)
            elif known:
                assert [await broker.send(draft)] == known
            elif urgent and to != RESERVE:
                with pytest.raises(NotUrgent, match="no reserve"):
                    await broker.send(draft)
            else:
                id_ = await broker.send(draft)
                assert id_ > model.last
                if to == EVERYBODY:
                    others = [name for name in AGENTS if name != sender]
                    model.add(
                        ModelMessage(id_, sender, others[0], key, broadcast=True),
                        *(
                            ModelMessage(id_ + n, sender, name, broadcast=True)
                            for n, name in enumerate(others[1:], start=1)
                        ),
                    )
                else:
                    model.add(ModelMessage(id_, sender, to, key, urgent=urgent))
        case Takes(agent, holder, limit, urgent_only):
            leases.append(f"t{len(leases)}")
            lease = await broker.lease(agent, holder, leases[-1], limit, urgent_only=urgent_only)
            rows = model.queued(agent, limit, urgent_only)
            assert [m.id for m in lease.messages] == [r.id for r in rows] if lease else not rows
            for row in rows:
                row.state, row.lease, row.holder = "leased", leases[-1], holder
        case Joins(number, holder, limit, urgent_only):
            held = model.held(name(number), holder)
            agent = held[0].recipient if held else "bob"
            rows = model.queued(agent, limit, urgent_only) if held else []
            joined = await broker.join(name(number), agent, holder, limit, urgent_only=urgent_only)
            assert [m.id for m in joined] == [r.id for r in rows]
            for row in rows:
                row.state, row.lease, row.holder = "leased", name(number), holder
        case Acks(number, holder):
            rows = model.held(name(number), holder)
            assert await broker.ack(name(number), holder) == tuple(r.id for r in rows)
            for row in rows:
                row.state = "done"
        case Nacks(number, holder, reason):
            rows, limited = model.held(name(number), holder), reason == "limited"
            if limited:
                waits = model.send_back(rows)
            else:
                waits, dead = [], model.nack(rows, reason == "counted")
            back = await broker.nack(
                name(number), holder, count=reason == "counted", limited=limited, why="why"
            )
            assert back.dead == tuple(r.id for r in dead)
            assert back.held == tuple(r.id for r in waits)
            assert back.queued == tuple(r.id for r in rows if r.state == "queued")
        case Releases(agent, keep_holder, keep_number, count):
            keep_lease = None if keep_number is None else name(keep_number)
            rows = [r for r in model.rows if r.recipient == agent and r.state == "leased"]
            if keep_holder or keep_lease:
                rows = [
                    r
                    for r in rows
                    if (keep_holder and r.holder != keep_holder)
                    or (keep_lease and r.lease != keep_lease)
                ]
            dead = model.nack(rows, count)
            number = await broker.release(
                agent, keep_holder=keep_holder, keep_lease=keep_lease, count=count, why="why"
            )
            assert number == len(rows)
        case Reads(ids):
            rows = [r for r in model.queued(OPERATOR, 99) if r.id in ids]
            assert await broker.acknowledge(ids) == tuple(r.id for r in rows)
            for row in rows:
                row.state = "done"
        case Retries(ids):
            rows = model.undelivered(ids)
            for row in rows:
                row.state, row.attempts, row.returns = "queued", 0, 0
            assert await broker.retry(ids) == len(rows)
        case Drops(ids):
            rows = model.undelivered(ids)
            dead = [row for row in rows if row.state == "held"]
            for row in rows:
                row.state = "dead" if row.state == "held" else "done"
            assert await broker.drop(ids) == len(rows)
        case Destroys(agent):
            gone = agent
            waiting = ("queued", "leased", "held")
            dead = [r for r in model.rows if r.recipient == agent and r.state in waiting]
            for row in dead:
                row.state = "dead"
            assert await broker.dead_letter_all(agent) == len(dead)
        case Retains():
            kept = [row for row in model.rows if row.state != "done"]
            assert await retain(store) == len(model.rows) - len(kept)
            model.rows = kept
        case _:
            raise AssertionError(operation)
    for row in dead:
        if row.sender != HIVE:
            to = OPERATOR if row.sender == gone else row.sender
            bounces = await broker.sent(HIVE, to, after=model.last)
            (bounce,) = [m for m in bounces if m.in_reply_to == row.id]
            new.append(ModelMessage(bounce.id, HIVE, to))
    model.add(*new)


async def compare(broker: Broker, model: BrokerModel) -> None:
    """Every message is what the model says, and there are no others."""
    found = [m for name in (*AGENTS, OPERATOR) for m in await broker.inbox(name, 1_000)]
    assert sorted((m.id, m.sender, m.recipient, m.state.value) for m in found) == [
        (r.id, r.sender, r.recipient, r.state) for r in model.rows
    ]
    assert sorted((m.id, m.attempts, m.returns, m.redelivered, m.urgent) for m in found) == [
        (r.id, r.attempts, r.returns, r.redelivered, r.urgent) for r in model.rows
    ]
    assert sorted((m.id, m.broadcast_id is not None) for m in found) == [
        (r.id, r.broadcast) for r in model.rows
    ]
    shown = [r.id for r in model.rows if r.state in ("dead", "held")]
    assert [m.id for m in await broker.undelivered(1_000)] == shown


@settings(
    deadline=None,
    max_examples=int(os.environ.get("STRESS", "30")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=histories)
async def test_any_history_is_that_of_a_list(history: list[object]) -> None:
    await run(history)


async def run(history: list[object]) -> None:
    """Each Reopen ends one life of the broker and begins the next."""
    await trio.lowlevel.checkpoint()
    model, leases = BrokerModel(), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        for is_reopen, life in itertools.groupby(history, lambda o: o == Reopens()):
            if is_reopen:
                continue
            async with opened(Path(folder) / "hive.sqlite") as (broker, store):
                await compare(broker, model)
                for operation in life:
                    await apply(broker, store, model, operation, leases)
                    now = broker.counts()
                    assert {n: now.get(n, Counts()) for n in model.counts()} == model.counts()
                await compare(broker, model)


@pytest.mark.parametrize("reopen", [False, True])
async def test_five_counted_attempts_kill_even_a_bounce(reopen: bool) -> None:
    """The corner that random histories reach too rarely."""
    history: list[object] = [Sends("ann", "bob", None)]
    for agent in ("bob", "ann"):
        for _ in range(MAX_ATTEMPTS):
            history += [Takes(agent, "h1", 1), *[Reopens()] * reopen]
            history += [Releases(agent, None, None, False), Takes(agent, "h2", 1)]
            history += [Releases(agent, None, None, True)]
    await run(history)


@pytest.mark.parametrize("reopen", [False, True])
async def test_held_dropped_and_retried_messages_keep_their_place(reopen: bool) -> None:
    """As far as random histories rarely come: held twice, dropped, dead, retried, done."""
    again: list[object] = [Reopens()] * reopen
    history: list[object] = [Sends("ann", "bob", None, True), Sends("ann", "bob", None)]
    for resolve in (Retries((1, 2)), Drops((1,)), Retries((1,)), Drops((1, 2))):
        for _ in range(MAX_REDELIVERIES + 1):
            history += [Takes("bob", "h1", 2), Nacks(0, "h1", "limited"), *again]
        history += [resolve, *again]
    await run([*history, Drops((1, 2)), Takes("bob", "h1", 2), Acks(0, "h1")])
