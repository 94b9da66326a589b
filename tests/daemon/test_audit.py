"""The audit: each act of an operator with who, what and what came of it, by construction."""

import os
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import trio
from attrs import define
from hive.daemon.acts import DESCRIPTIONS, described
from hive.daemon.audit import AuditLog
from hive.daemon.faults import NotDone, explained

from hive.actors import MailboxFull, NoActor, Parked
from hive.actors.exits import Park
from hive.agents import AgentExists, NoSuchAgent
from hive.broker import Broker
from hive.containers import ContainerError, DriverUnavailable
from hive.daemon import control
from hive.gate import Gates
from hive.link import LinkError, Peer, RemoteError, connect
from hive.paths import Paths
from hive.store import MIGRATIONS, Store, StoreClosed, StoreFull, open_store
from hive.supervisors import Context, NotFound, NotRunning, NotStopped, StartFailed
from hive.wire import (
    PROTOCOL,
    QUESTIONS,
    ActOutcome,
    AgentCommand,
    Answer,
    ApiSignal,
    Body,
    ControlBody,
    Down,
    GateCommand,
    Hello,
    OperatorSend,
    Period,
    SetBudget,
    SetCredential,
    Spawn,
    TreeCommand,
    Unit,
    WebBody,
)

TOKEN = "sk-ant-oat01-very-secret"


def test_each_request_is_a_question_or_has_words_in_the_audit() -> None:
    asked = set(get_args(ControlBody)) | set(get_args(WebBody))
    acts = set(DESCRIPTIONS)
    assert acts | set(QUESTIONS) == asked
    assert not acts & set(QUESTIONS)


def test_an_act_without_words_is_recorded_by_its_name() -> None:
    assert described(ApiSignal.__new__(ApiSignal)).action == "api_signal"


@define(slots=False)
class Seat:
    """As much of a hive as these requests need; what is missing fails inside."""

    paths: Paths
    store: Store
    broker: Broker
    audit: AuditLog
    stopped: int = 0
    fails: Exception | None = None

    async def spawn(self, _: Spawn) -> None:
        if self.fails is not None:
            raise self.fails

    def stop_all(self) -> None:
        self.stopped += 1

    async def ask(self, body: Body, role: str = "operator") -> Body:
        path = self.paths.control if role == "operator" else self.paths.web
        peer: Peer
        async with connect(path, Hello(PROTOCOL, role, "x")) as (peer, _):
            return await peer.request(body, timeout=5)

    async def ended(self) -> list[tuple[str, str, str, str]]:
        return [
            (one.action, one.target, one.outcome.value, one.why)
            for one in await self.audit.newest(50)
        ]


@pytest.fixture
async def seat(tmp_path: Path) -> AsyncIterator[Seat]:
    paths = Paths(tmp_path)
    paths.prepare()
    async with open_store(paths.database, MIGRATIONS) as store, trio.open_nursery() as nursery:
        broker = Broker(store, publish=lambda *_: None, recipients=lambda: ["ann", "bob"])
        await broker.load()
        seat = Seat(paths, store, broker, AuditLog(store))
        hive: Any = seat
        for run in (control.operator, control.web):
            ready = trio.Event()
            ctx = Context("hive/control", on_ready=lambda _, ready=ready: ready.set())
            nursery.start_soon(partial(run, hive=hive), ctx)
            with trio.fail_after(5):
                await ready.wait()
        yield seat
        nursery.cancel_scope.cancel()


async def test_what_the_page_sends_is_in_the_audit_and_who_sent_it(seat: Seat) -> None:
    await seat.ask(OperatorSend("bob", "from the page"), "web")
    await seat.ask(OperatorSend("ann", "from a shell", urgent=False, in_reply_to=1))
    first, second = await seat.audit.newest(10)
    assert f"uid {os.geteuid()}) by the page, pid {os.getpid()}" in first.who
    assert f"uid {os.geteuid()}) by command line, pid {os.getpid()}" in second.who
    assert (first.action, first.target, first.detail) == ("send", "bob", "from the page")
    assert (first.outcome, first.why) == (ActOutcome.DONE, "message 1")
    assert (second.target, second.detail) == ("ann", "in reply to 1: from a shell")


@pytest.mark.parametrize(
    ("act", "code", "why"),
    [
        (OperatorSend("nobody", "x"), "unknown_recipient", "nobody is called"),
        (OperatorSend("ann", " "), "bad_message", "empty"),
        (OperatorSend("ann", "a\0b"), "bad_message", "NUL"),
    ],
)
@pytest.mark.parametrize("role", ["operator", "web"])
async def test_a_refused_act_is_recorded_as_refused(
    seat: Seat, act: Body, code: str, why: str, role: str
) -> None:
    with pytest.raises(RemoteError, match=why) as refused:
        await seat.ask(act, role)
    assert refused.value.code == code
    ((*_, outcome, kept),) = await seat.ended()
    assert outcome == "refused" and why in kept


@pytest.mark.parametrize(
    ("error", "outcome", "why"),
    [
        (AgentExists("the name is taken"), "refused", "taken"),
        (DriverUnavailable("no bubblewrap: install it"), "refused", "install"),
        (StartFailed("hive/agents/new", None, "no room"), "failed", "hive tree hive/agents/new"),
        (NotRunning("supervisor agents does not run"), "failed", "try again"),
        (StoreFull("no space left"), "failed", "no space"),
        (OSError(24, "Too many open files"), "failed", "Too many open files"),
        (trio.TooSlowError(), "failed", "may or may not have been done"),
        (ExceptionGroup("tell", [ValueError("a text is not UTF-8")]), "refused", "UTF-8"),
        (KeyError("a bug"), "failed", "a fault of the hive (KeyError)"),
    ],
)
async def test_how_an_act_ended_is_recorded(
    seat: Seat, error: Exception, outcome: str, why: str
) -> None:
    seat.fails = error
    with pytest.raises(RemoteError) as told:
        await seat.ask(Spawn("new"))
    ((action, target, found, kept),) = await seat.ended()
    assert (action, target, found) == ("spawn", "new", outcome)
    assert why in kept
    assert isinstance(error, KeyError) or why in told.value.message
    assert isinstance(error, KeyError) == (told.value.code == "internal")


async def test_an_act_whose_asker_left_is_there_with_an_unknown_outcome(seat: Seat) -> None:
    begun, over, end = trio.Event(), trio.Event(), seat.audit._end

    async def command(_: GateCommand) -> None:
        begun.set()
        await trio.sleep_forever()

    async def watched(*arguments: Any) -> None:
        await end(*arguments)
        over.set()

    seat.audit._end = watched  # type: ignore[method-assign]
    hive: Any = seat
    hive.gates = SimpleNamespace(command=command)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(seat.ask, GateCommand("work", "probe"))
        with trio.fail_after(5):
            await begun.wait()
        assert await seat.ended() == [("gate probe", "work", "unknown", "")]
        nursery.cancel_scope.cancel()
    with trio.fail_after(5):
        await over.wait()
    ((*_, outcome, why),) = await seat.ended()
    assert outcome == "unknown" and "who asked was gone" in why


async def test_no_act_is_done_that_cannot_be_recorded(seat: Seat) -> None:
    async def closed(*_: object) -> None:
        raise StoreClosed("the store is not open: try again")

    seat.audit._store = type("Closed", (), {"write": closed})()  # type: ignore[assignment]
    with pytest.raises(RemoteError, match="not open") as refused:
        await seat.ask(Down())
    assert refused.value.code == "store_closed"
    assert seat.stopped == 0


async def test_the_end_of_the_hive_is_answered_and_recorded_as_done(seat: Seat) -> None:
    await seat.ask(Down())
    assert seat.stopped == 1
    assert await seat.ended() == [("down", "the hive", "done", "")]


SECRETIVE: list[Body] = [
    SetCredential("work", oauth_token=TOKEN),
    SetCredential(TOKEN, api_key=TOKEN),
    OperatorSend("ann", f"use {TOKEN} please"),
    OperatorSend(TOKEN, "x"),
    Spawn(TOKEN),
    AgentCommand(TOKEN, TOKEN),
    TreeCommand("ann", "park", f"because {TOKEN}"),
    GateCommand(TOKEN, TOKEN, TOKEN, TOKEN),
    SetBudget(TOKEN, Period.DAY, Unit.USD, 1.0),
]


async def test_no_secret_enters_the_audit(seat: Seat) -> None:
    for act in SECRETIVE:
        with pytest.raises(RemoteError):
            await seat.ask(act)
            raise RemoteError("done", "it was done")
    entries = await seat.audit.newest(50)
    assert len(entries) == len(SECRETIVE)
    assert TOKEN not in repr(entries)
    assert "very-secret" not in repr(entries)


async def test_a_text_of_any_length_is_cut(seat: Seat) -> None:
    with pytest.raises(RemoteError):
        await seat.ask(AgentCommand("x" * 100_000, "y" * 100_000))
    with pytest.raises(RemoteError):
        await seat.ask(Answer(7, "z" * 100_000))
    for entry in await seat.audit.newest(50):
        assert len(repr(entry)) < 2000


async def test_an_older_audit_goes_on_with_unknown_outcomes(tmp_path: Path) -> None:
    async with open_store(tmp_path / "db", MIGRATIONS[:6]) as store:
        await store.write(
            lambda db: db.execute(
                "INSERT INTO audit (at, who, action, target, detail)"
                " VALUES (1.0, 'me', 'kick', NULL, NULL)"
            ).fetchall()
        )
    async with open_store(tmp_path / "db", MIGRATIONS) as store:
        (entry,) = await AuditLog(store).newest(5)
    assert (entry.action, entry.target, entry.outcome) == ("kick", "", ActOutcome.UNKNOWN)


@pytest.mark.parametrize(
    ("error", "failed", "todo"),
    [
        (NoSuchAgent("there is no agent 'x'; there are: y"), False, "there are: y"),
        (NotFound("no child 'x'"), False, "x"),
        (NotStopped("hive/web did not end in 5 s; it is overdue"), True, "then try again"),
        (ContainerError("bwrap failed"), True, "bwrap"),
        (NoActor("no incarnation of x runs now"), True, "try again"),
        (PermissionError(13, "Permission denied", "/x/y"), True, "/x/y"),
        (LinkError("busy", "wait"), False, "wait"),
    ],
)
def test_errors_are_told_in_words(error: Exception, failed: bool, todo: str) -> None:
    known = explained(error)
    assert known is not None and todo in known.message
    assert isinstance(known, NotDone) == failed


def test_what_nobody_foresaw_is_not_explained() -> None:
    assert explained(KeyError("x")) is None
    assert explained(ExceptionGroup("two", [ValueError(), KeyError()])) is None


class _Away:
    """A gate's actor that answers nothing but `error`."""

    alive, parked = True, None

    def __init__(self, error: Exception) -> None:
        self.ref = self
        self.error = error

    async def call(self, *_: object, **__: object) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NoActor("none"), ["is being restarted or stopped", "nothing was done", "hive tree"]),
        (MailboxFull("full"), ["too much to decide", "nothing was done"]),
        (Parked("gate work", Park("broken", None)), ["parked (broken)", "hive unpark hive/gate/"]),
        (trio.TooSlowError(), ["did not answer within 2 s", "may do it yet", "hive gate"]),
    ],
)
async def test_a_gate_that_is_away_says_so_to_the_operator(
    seat: Seat, error: Exception, words: list[str]
) -> None:
    gates = Gates(seat.store, clients=lambda _: (), apply=lambda *_: None, publish=lambda *_: None)
    gates._seat("work")
    gates._hosts["work"] = _Away(error)  # type: ignore[assignment]
    seat_with_gates: Any = seat
    seat_with_gates.gates = gates
    with pytest.raises(RemoteError) as told:
        await seat.ask(GateCommand("work", "probe"))
    assert told.value.code == "gate_unavailable"
    assert all(word in told.value.message for word in words), told.value.message
    assert "failed inside" not in told.value.message
    ((_, _, outcome, why),) = await seat.ended()
    assert outcome == "failed" and words[0] in why
