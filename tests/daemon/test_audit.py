"""The audit: each act of an operator with who, what and what came of it, by construction."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args
from unittest.mock import Mock

import pytest
import trio
from attrs import define, field
from support.directories import Named
from support.operator_socket import listen

from hive.actors import ActorParked, MailboxFull, NoActor
from hive.actors.exits import Park
from hive.broker import Broker, Counts
from hive.containers import ContainerError, DriverUnavailable
from hive.credentials import ApiAccess
from hive.daemon.config import Config
from hive.daemon.control import operator_table, page_table
from hive.daemon.hive import Options, build
from hive.directory import AgentExists, NoSuchAgent
from hive.gate import GateService
from hive.link import LinkError, Peer, RemoteError, connect
from hive.operator import agents, budgets, daemon, gates, logins, messages, questions, tree
from hive.operator.audit import AuditLog
from hive.operator.errors import NotDone, explained
from hive.operator.handlers import Act, Handler, Stream, Table, act, read, sum_of
from hive.paths import Paths
from hive.store import MIGRATIONS, Store, StoreClosed, StoreFull, open_store
from hive.supervisors import NotFound, NotRunning, NotStopped, StartFailed
from hive.wire.agents import AgentCommand, Spawn
from hive.wire.audit import ActOutcome
from hive.wire.bodies import Body, OperatorBody, OperatorRead, PageBody
from hive.wire.budgets import Period, SetBudget, Unit
from hive.wire.codec import PROTOCOL
from hive.wire.daemon import Down, GetStatus
from hive.wire.frames import Hello
from hive.wire.gates import GateCommand
from hive.wire.logins import SetCredential
from hive.wire.messages import OperatorSend
from hive.wire.questions import Answer
from hive.wire.tree import TreeCommand

TOKEN = "sk-ant-oat01-very-secret"


def acts_of(table: Table) -> set[type]:
    return {kind for kind, one in table.items() if isinstance(one, Handler) and one.describe}


def test_each_request_has_one_handler_and_each_act_words_in_the_audit(tmp_path: Path) -> None:
    hive = build(Options(Paths(tmp_path), Config(), ApiAccess(), Path("/claude"), {}))
    for table, allowed in ((operator_table(hive), OperatorBody), (page_table(hive), PageBody)):
        assert set(table) == set(get_args(allowed))
        assert acts_of(table) == set(table) - set(get_args(OperatorRead))


def test_a_request_has_no_second_handler() -> None:
    async def do(_: Body) -> None: ...

    down = act(do, lambda _: Act("down"))
    assert sum_of({Down: down}, {GetStatus: read(do)})[Down] is down
    with pytest.raises(ValueError, match="two handlers for Down"):
        sum_of({Down: down}, {Down: read(do)})


@define(slots=False)
class AuditFixture:
    """As much of a hive as these requests need; what is missing fails inside."""

    paths: Paths
    store: Store
    broker: Broker
    audit: AuditLog
    stopped: int = 0
    fails: Exception | None = None
    table: dict[type, Handler | Stream] = field(init=False)

    def __attrs_post_init__(self) -> None:
        missing, fleet = Mock(), Mock(create=self.spawn)
        self.table = {
            **messages.table(self.broker, missing),
            **agents.table(fleet, missing),
            **tree.table(missing),
            **gates.table(missing),
            **budgets.table(missing),
            **logins.table(missing),
            **questions.table(missing, self.broker),
            **daemon.table(missing, self.stop_all),
        }

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
async def hive(tmp_path: Path) -> AsyncIterator[AuditFixture]:
    paths = Paths(tmp_path)
    paths.prepare()
    async with open_store(paths.database, MIGRATIONS) as store, trio.open_nursery() as nursery:
        broker = Broker(store, Named(lambda: ["ann", "bob"]), publish=lambda *_: None)
        await broker.load()
        hive = AuditFixture(paths, store, broker, AuditLog(store))
        await listen(nursery, paths, hive.table, hive.audit)
        await listen(nursery, paths, messages.page_table(broker, Mock()), hive.audit, "web")
        yield hive
        nursery.cancel_scope.cancel()


async def test_what_the_page_sends_is_in_the_audit_and_who_sent_it(hive: AuditFixture) -> None:
    await hive.ask(OperatorSend("bob", "from the page"), "web")
    await hive.ask(OperatorSend("ann", "from a shell", urgent=False, in_reply_to=1))
    first, second = await hive.audit.newest(10)
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
    hive: AuditFixture, act: Body, code: str, why: str, role: str
) -> None:
    with pytest.raises(RemoteError, match=why) as refused:
        await hive.ask(act, role)
    assert refused.value.code == code
    ((*_, outcome, kept),) = await hive.ended()
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
    hive: AuditFixture, error: Exception, outcome: str, why: str
) -> None:
    hive.fails = error
    with pytest.raises(RemoteError) as told:
        await hive.ask(Spawn("new"))
    ((action, target, found, kept),) = await hive.ended()
    assert (action, target, found) == ("spawn", "new", outcome)
    assert why in kept
    assert isinstance(error, KeyError) or why in told.value.message
    assert isinstance(error, KeyError) == (told.value.code == "internal")


async def test_an_act_whose_asker_left_is_there_with_an_unknown_outcome(hive: AuditFixture) -> None:
    begun, over, end = trio.Event(), trio.Event(), hive.audit._end

    async def command(_: GateCommand) -> None:
        begun.set()
        await trio.sleep_forever()

    async def watched(*arguments: Any) -> None:
        await end(*arguments)
        over.set()

    hive.audit._end = watched  # type: ignore[method-assign]
    keeper: Any = SimpleNamespace(command=command)
    hive.table |= gates.table(keeper)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hive.ask, GateCommand("work", "probe"))
        with trio.fail_after(5):
            await begun.wait()
        assert await hive.ended() == [("gate probe", "work", "unknown", "")]
        nursery.cancel_scope.cancel()
    with trio.fail_after(5):
        await over.wait()
    ((*_, outcome, why),) = await hive.ended()
    assert outcome == "unknown" and "who asked was gone" in why


async def test_a_message_and_its_entry_are_there_together_or_not_at_all(
    hive: AuditFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> int:
        raise StoreFull("no space left for it")

    with monkeypatch.context() as patch:
        patch.setattr("hive.operator.audit._insert", fails)
        with pytest.raises(RemoteError, match="no space left"):
            await hive.ask(OperatorSend("ann", "hello"))
        assert hive.broker.counts().get("ann", Counts()).queued == 0
    await hive.ask(OperatorSend("ann", "hello"))
    assert hive.broker.counts()["ann"].queued == 1
    assert await hive.ended() == [("send", "ann", "done", "message 1")]


async def test_a_refusal_that_cannot_be_recorded_is_logged(
    hive: AuditFixture, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> int:
        raise StoreFull("no space left for it")

    monkeypatch.setattr("hive.operator.audit._insert", fails)
    with pytest.raises(RemoteError) as refused:
        await hive.ask(OperatorSend("nobody", "hello"))
    assert refused.value.code == "unknown_recipient"
    assert "the audit has no entry of send to nobody: no space left" in caplog.text


async def test_no_act_is_done_that_cannot_be_recorded(hive: AuditFixture) -> None:
    async def closed(*_: object) -> None:
        raise StoreClosed("the store is not open: try again")

    hive.audit._store = type("Closed", (), {"write": closed})()  # type: ignore[assignment]
    with pytest.raises(RemoteError, match="not open") as refused:
        await hive.ask(Down())
    assert refused.value.code == "store_closed"
    assert hive.stopped == 0


async def test_the_end_of_the_hive_is_answered_and_recorded_as_done(hive: AuditFixture) -> None:
    await hive.ask(Down())
    assert hive.stopped == 1
    assert await hive.ended() == [("down", "the hive", "done", "")]


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


async def test_no_secret_enters_the_audit(hive: AuditFixture) -> None:
    for one in SECRETIVE:
        with pytest.raises(RemoteError):
            await hive.ask(one)
            raise RemoteError("done", "it was done")
    entries = await hive.audit.newest(50)
    assert len(entries) == len(SECRETIVE)
    assert TOKEN not in repr(entries)
    assert "very-secret" not in repr(entries)


async def test_a_text_of_any_length_is_cut(hive: AuditFixture) -> None:
    with pytest.raises(RemoteError):
        await hive.ask(AgentCommand("x" * 100_000, "y" * 100_000))
    with pytest.raises(RemoteError):
        await hive.ask(Answer(7, "z" * 100_000))
    for entry in await hive.audit.newest(50):
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
        (
            ActorParked("gate work", Park("broken", None)),
            ["parked (broken)", "hive unpark hive/gate/"],
        ),
        (trio.TooSlowError(), ["did not answer within 2 s", "may do it yet", "hive gate"]),
    ],
)
async def test_a_gate_that_is_away_says_so_to_the_operator(
    hive: AuditFixture, error: Exception, words: list[str]
) -> None:
    keeper = GateService(
        hive.store, clients=lambda _: (), apply=lambda *_: None, publish=lambda *_: None
    )
    keeper._memory("work")
    keeper._hosts["work"] = _Away(error)  # type: ignore[assignment]
    hive.table |= gates.table(keeper)
    with pytest.raises(RemoteError) as told:
        await hive.ask(GateCommand("work", "probe"))
    assert told.value.code == "gate_unavailable"
    assert all(word in told.value.message for word in words), told.value.message
    assert "failed inside" not in told.value.message
    ((_, _, outcome, why),) = await hive.ended()
    assert outcome == "failed" and words[0] in why
