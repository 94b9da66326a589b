"""The operator's socket and the narrower one of the web process: what may be asked, and answers."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import outcome
import trio
from attrs import evolve

from hive.broker import Draft
from hive.daemon import hand, login, reminding
from hive.daemon.acts import Act, described
from hive.daemon.audit import who
from hive.daemon.destroy import destroy
from hive.daemon.faults import explained
from hive.daemon.hive import Hive
from hive.events import Lagged
from hive.link import Credentials, LinkClosed, LinkError, Peer, Refuse, Session, serve
from hive.paths import Paths
from hive.questions import NoSuchQuestion
from hive.supervisors import Context
from hive.wire import (
    LONGEST_REPLY_S,
    MOST_ROWS,
    OPERATOR,
    QUESTIONS,
    Ack,
    AgentCommand,
    Answer,
    Audit,
    Body,
    Budgets,
    ControlBody,
    Count,
    Done,
    Down,
    EditSchedule,
    EventBatch,
    Events,
    Follow,
    GateCommand,
    Gates,
    GetAudit,
    GetBudgets,
    GetChild,
    GetEvents,
    GetGates,
    GetInbox,
    GetLogin,
    GetQuestions,
    GetReminders,
    GetSchedules,
    GetStatus,
    GetThread,
    GetUndelivered,
    Hello,
    Inbox,
    LoggedIn,
    OperatorSend,
    Questions,
    ReminderRollup,
    Resolve,
    ResolveReminder,
    ResolveSchedule,
    Resync,
    Sent,
    SetBudget,
    SetCredential,
    SetRights,
    Spawn,
    TreeCommand,
    UseCredential,
    WaitReply,
    WebBody,
    clamp,
    fitting,
)

EVENTS_A_FRAME = 64
GATHER_S = 0.02
"""Events wait so long for those behind them: who follows must not slow down those who work."""

_ACTS = (
    Spawn,
    AgentCommand,
    TreeCommand,
    SetRights,
    SetCredential,
    LoggedIn,
    UseCredential,
)
"""What is not done by one commit: half of it must not be left to who closes a terminal."""

T = TypeVar("T")
log = logging.getLogger(__name__)


async def run(ctx: Context, hive: Hive, *, role: str) -> None:
    """Listen on the operator's socket (`role` "operator") or the web process's ("web")."""
    paths: Paths = hive.paths
    path, allowed = (paths.control, ControlBody) if role == "operator" else (paths.web, WebBody)
    async with trio.open_nursery() as nursery:

        async def accept(hello: Hello, credentials: Credentials) -> _Session:
            if hello.role != role:
                raise Refuse("wrong_role", f"this socket is for the role {role!r}")
            return _Session(hive, nursery, allowed, who(credentials, role))

        await nursery.start(serve, path, accept)
        ctx.ready()
        while True:
            ctx.tick()
            await trio.sleep(1)


class _Session(Session):
    """One connection; all answers come from the hive, none is kept here."""

    def __init__(self, hive: Hive, nursery: trio.Nursery, allowed: Any, who: str) -> None:
        self.hive, self.nursery, self.requests, self.who = hive, nursery, allowed, who
        self.following = trio.CancelScope()

    def closed(self, peer: Peer) -> None:
        self.following.cancel()

    async def handle(self, peer: Peer, body: Body) -> Body:
        """Answer a question, or do an act, which the audit records; every error in clear words."""
        if not isinstance(body, SetCredential):  # the one that is meant to bring a secret
            body = self.hive.secrets.hide(body)
        try:
            if isinstance(body, QUESTIONS):
                return await self._answer(peer, body)
            do = partial(self._answer, peer, body)
            act = partial(self.hive.audit.record, self.who, await self._described(body), do)
            answer = await (self._to_its_end(peer, act) if isinstance(body, _ACTS) else act())
        except Exception as error:
            if (known := explained(error)) is None:
                raise
            raise known from error
        if isinstance(body, Down):  # not before: its end is in the audit, and then its answer
            self.hive.stop_all()
        return answer

    async def _described(self, body: Body) -> Act:
        act = described(body)
        if isinstance(body, Answer):
            with suppress(NoSuchQuestion):  # which is the act's to refuse
                asked = await self.hive.desk.questions.get(body.question)
                act = evolve(act, detail=f"of {asked.asker}, for {asked.to}: {act.detail}")
        return act

    async def _to_its_end(self, peer: Peer, act: Callable[[], Awaitable[Body]]) -> Body:
        """Do what has several steps also when who asked has gone: only the hive's stop ends it."""
        ended: list[outcome.Outcome[Body]] = []
        done = trio.Event()

        async def run() -> None:
            try:
                ended.append(outcome.Value(await act()))
            except Exception as error:
                if peer.closed.is_set():
                    log.warning("an act failed, who asked for it had gone: %s", error)
                ended.append(outcome.Error(error))
            done.set()

        self.nursery.start_soon(run)
        await done.wait()
        return ended[0].unwrap()

    async def _answer(self, peer: Peer, body: Body) -> Body:
        hive = self.hive
        match body:
            case GetStatus():
                return hive.status()
            case OperatorSend():
                return await self._send(body)
            case GetInbox(name, limit):
                owner = OPERATOR if name in (None, OPERATOR) else hive.fleet.record(name or "").name
                return Inbox(await hive.broker.inbox(owner, _rows(limit)))
            case GetEvents(agent, since, limit):
                events = await hive.events.recent(agent, since, _rows(limit))
                return Events(_newest_that_fit(events), hive.events.seq)
            case Follow():
                self.following.cancel()
                self.following = trio.CancelScope()
                self.nursery.start_soon(self._follow, peer, body, self.following)
                return Done()
            case Spawn():
                await hive.spawn(body)
                return Done()
            case SetRights(name, may_send):
                await hive.fleet.allow(name, may_send)
                return Done()
            case GetLogin(agent):
                return await login.command(hive, agent)
            case SetCredential() | LoggedIn() | UseCredential():
                await login.act(hive, body)
                return Done()
            case AgentCommand():
                await self._command(body)
                return Done()
            case TreeCommand():
                await hand.act(hive, body)
                return Done()
            case GetChild(path):
                return hand.look(hive, path)
            case GetGates():
                return Gates(hive.gates.statuses())
            case GateCommand():
                await hive.gates.command(body)
                return Done()
            case GetBudgets():
                return Budgets(hive.budgets.statuses(), hive.budgets.spent_today())
            case SetBudget():
                await hive.budgets.set(body)
                return Done()
            case GetAudit(limit):
                return Audit(_newest_that_fit(await hive.audit.newest(_rows(limit))))
            case Ack(ids):
                return Count(len(await hive.broker.acknowledge(ids)))
            case GetThread(id_):
                return Inbox(await hive.broker.thread(id_, OPERATOR))
            case GetUndelivered(limit):
                return Inbox(await hive.broker.undelivered(_rows(limit)))
            case Resolve():
                return await self._resolve(body)
            case WaitReply(message, wait):
                with trio.move_on_after(clamp(wait, 0.0, LONGEST_REPLY_S)):
                    return await hive.broker.wait_reply(message)
                return await hive.broker.reply(message)
            case (
                GetReminders()
                | ResolveReminder()
                | ReminderRollup()
                | GetSchedules()
                | ResolveSchedule()
                | EditSchedule()
            ):
                return await reminding.answer(hive, body)
            case GetQuestions(ended, limit):
                found = await hive.desk.questions.listed(_rows(limit), ended=ended)
                return Questions(_newest_that_fit(found))
            case Answer():
                return Sent(await self._answer_question(body))
            case Down():  # see `handle`
                return Done()
        raise LinkError("not_allowed", f"{type(body).__name__} cannot be asked here")

    async def _send(self, send: OperatorSend) -> Sent:
        if send.sender != OPERATOR:
            if self.requests is not ControlBody:
                raise LinkError("not_allowed", "the page sends as the operator only")
            self.hive.fleet.record(send.sender)
        draft = Draft(
            send.sender,
            send.to,
            send.body,
            in_reply_to=send.in_reply_to,
            key=send.key,
            urgent=send.urgent,
        )
        return Sent(await self.hive.broker.send(draft))

    async def _resolve(self, resolve: Resolve) -> Count:
        broker = self.hive.broker
        actions = {"retry": broker.retry, "drop": broker.drop}
        if resolve.action not in actions:
            raise LinkError("bad_request", f"action must be one of {sorted(actions)}")
        if len(resolve.ids) > MOST_ROWS:
            raise LinkError("bad_request", f"give at most {MOST_ROWS} ids at once")
        return Count(await actions[resolve.action](resolve.ids))

    async def _answer_question(self, answer: Answer) -> int:
        """As the operator, also in an agent's place; a question to himself is then read."""
        sent = await self.hive.desk.answer_as_operator(answer)
        await self.hive.broker.acknowledge([answer.question])
        return sent

    async def _command(self, command: AgentCommand) -> None:
        fleet = self.hive.fleet
        actions: dict[str, Callable[[str], Awaitable[None]]] = {
            "start": fleet.start,
            "stop": fleet.stop,
            "restart": fleet.restart,
        }
        if command.action == "destroy":
            await destroy(self.hive, command.name)
            return
        if command.action not in actions:
            raise LinkError("bad_request", f"action must be one of {[*actions, 'destroy']}")
        await actions[command.action](command.name)

    async def _follow(self, peer: Peer, follow: Follow, scope: trio.CancelScope) -> None:
        """Push events until the connection or this following ends."""
        with scope, suppress(LinkClosed):
            try:
                feed = self.hive.events.subscribe(follow.agent, follow.since)
                while True:
                    batch = await feed.next_batch(gather=GATHER_S)
                    for start in range(0, len(batch), EVENTS_A_FRAME):
                        await peer.push(EventBatch(batch[start : start + EVENTS_A_FRAME]))
            except Lagged:
                await peer.push(Resync())


def _rows(limit: int) -> int:
    return clamp(limit, 1, MOST_ROWS)


def _newest_that_fit(items: Sequence[T]) -> tuple[T, ...]:
    """As many of the newest items as one answer holds; oldest first."""
    return fitting(reversed(items))[::-1]


operator = partial(run, role="operator")
web = partial(run, role="web")
