"""The agent's own socket: the only way out of its container, and the holder of its leases.

Whoever connects here is the agent: no entry point of the operator exists on this socket. A lease
belongs to one harness instance; it ends when that instance is replaced or gone, and outlives a
broken connection by a few seconds only.
"""

import random
import time
import uuid
from contextlib import suppress

import trio
from attrs import define, evolve

from hive.agents.agent import Agent
from hive.agents.policy import after_turn, event_time
from hive.broker import BrokerError, Draft, checked_line
from hive.config_repos import ConfigRepoError
from hive.git import GitError
from hive.link import Credentials, LinkClosed, LinkError, Peer, RefuseHello, Session, serve
from hive.store import StoreError
from hive.supervisors import Context
from hive.uncontended import acquire
from hive.wire import approvals, questions, reminders, schedules, wake_ups
from hive.wire.agents import Said, SetStatus
from hive.wire.bodies import AgentBody, Body
from hive.wire.bounds import LONGEST_TAKE_S, MOST_TAKEN, clamp
from hive.wire.codec import PROTOCOL
from hive.wire.daemon import Done, Notice
from hive.wire.frames import Hello, Welcome
from hive.wire.harness import Emit, Report
from hive.wire.messages import GetThread, Inbox, Message, Send, Sent
from hive.wire.reminders import (
    CancelReminder,
    ListReminders,
    Remind,
    ReminderList,
    ReminderRollup,
)
from hive.wire.schedules import RequestSchedule
from hive.wire.tree import Supervision
from hive.wire.turns import (
    ApiRetry,
    ApiSignal,
    Finish,
    Lease,
    Recv,
    Spending,
    Take,
    Taken,
    Text,
    ToolCall,
    ToolResult,
    TurnEnded,
    TurnStarted,
)

DAEMON_RESTART_GRACE_S = 15.0
"""How long the holder of a lease may take to find a restarted daemon again."""

TICK_S = 5.0
LEASE_DEADLINE_S = 30.0
"""How long a lease, and its end, may take in the store; then the harness asks again."""
IN_USE_S = 2.0
"""The harness that is connected must answer in this time, or make way for another instance."""
REFUSED_PAUSE_S = 0.5
"""Before a gate that has refused a lease, without holding the agent, is asked again."""
_FROM_HARNESS = (TurnStarted, TurnEnded, Text, ToolCall, ToolResult, ApiRetry, Notice)
"""What a container may publish as it is: nothing that speaks for the broker or the hive's tree."""

MOST_PATH = 200
MOST_STATUS = 120
_REPLACED = "replaced by a newer connection"
MOST_REPORT = 8_000


async def run(ctx: Context, agent: Agent) -> None:
    """The supervised child: listens for the agent's harness, and returns leases of a lost one."""
    path = agent.dependencies.paths.socket(agent.name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with trio.open_nursery() as nursery:
        acceptor = _Acceptor(agent, nursery, ctx.path.rpartition("/")[0])
        acceptor.start_grace(DAEMON_RESTART_GRACE_S)
        await nursery.start(serve, path, acceptor.accept)
        ctx.ready()
        while True:
            ctx.tick()
            await trio.sleep(TICK_S)


@define(eq=False)
class _Acceptor:
    """Admits one harness instance at a time and lets the leases of a lost one run out.

    The instance that is connected stays, as long as it answers; its own new connection replaces
    its old one. A connection that was replaced is closed at once, so that whoever is at its other
    end notices and connects anew.
    """

    agent: Agent
    nursery: trio.Nursery
    path: str
    epoch: int = 0

    async def accept(self, hello: Hello, _: Credentials) -> "_Session":
        if hello.role != "harness":
            raise RefuseHello("wrong_role", "an agent's socket admits its harness only")
        await self._refuse_if_in_use(hello.instance)
        agent = self.agent
        self.epoch += 1
        epoch = self.epoch  # others may come while we wait below
        if agent.peer is not None:
            self.nursery.start_soon(agent.peer.close, _REPLACED)
            agent.peer = None
        async with agent.end_lock:
            await agent.dependencies.broker.release(
                agent.name,
                keep_holder=hello.instance,
                keep_lease=hello.lease,
                count=True,
                why="its harness came back without it",
            )
            # A lease that is over already, by an answer that was lost, must not end twice.
            leases = {held.lease for held in await agent.dependencies.broker.leases(agent.name)}
            agent.work_began(hello.lease if hello.lease in leases else None)
        return _Session(self, hello.instance, epoch)

    async def _refuse_if_in_use(self, instance: str) -> None:
        """Raise RefuseHello if another instance is connected and answers."""
        agent = self.agent
        while (peer := agent.peer) is not None and agent.instance != instance:
            with trio.move_on_after(IN_USE_S), suppress(LinkClosed):
                await peer.ping()
                raise RefuseHello(
                    "in_use", "this agent's harness is connected: a second one is not admitted"
                )
            if agent.peer is peer:
                return

    def attach(self, peer: Peer, session: "_Session") -> None:
        """The first sign of life on a new link."""
        agent = self.agent
        if agent.peer is not peer and session.epoch == self.epoch:
            agent.peer, agent.instance = peer, session.instance
            agent.has_connected = True
            agent.heard()
            agent.changed()

    def lost(self, epoch: int) -> None:
        if epoch == self.epoch:
            self.agent.peer = None
            self.agent.changed()
            self.start_grace(self.agent.dependencies.config.reconnect_grace_s)

    def start_grace(self, seconds: float) -> None:
        self.nursery.start_soon(self._release_unless_back, self.epoch, seconds)

    async def _release_unless_back(self, epoch: int, seconds: float) -> None:
        await trio.sleep(seconds)
        if self.epoch == epoch:
            await self.agent.holder_gone("its harness lost the connection", count=True)


class _Session(Session):
    """One connection of one harness instance."""

    requests = AgentBody
    pushes = Report | ApiSignal | Spending

    def __init__(self, acceptor: _Acceptor, instance: str, epoch: int) -> None:
        self.agent = acceptor.agent
        self.welcome = Welcome(PROTOCOL, self.agent.settings)
        self.acceptor, self.instance, self.epoch = acceptor, instance, epoch
        self.one_take = trio.Lock()
        self.takes = 0
        """How many Takes have come; only the last one is waited for."""
        self.taking = trio.CancelScope()
        self.unclaimed: Lease | None = None
        """Leased for a Take that was no more waited for: the next one gets it."""

    async def run(self, peer: Peer) -> None:
        self.acceptor.attach(peer, self)
        agent = self.agent
        if self.epoch != self.acceptor.epoch:
            await peer.close(_REPLACED)
            return
        settings = agent.settings
        if settings != self.welcome.settings:  # they changed while the welcome was on its way
            await peer.push(settings)

    def closed(self, peer: Peer) -> None:
        self.acceptor.lost(self.epoch)

    def pushed(self, peer: Peer, body: Body) -> None:
        agent = self.agent
        if self.epoch != self.acceptor.epoch:
            return
        body = agent.dependencies.redact(body)
        match body:
            case Report():
                agent.report = body
                agent.heard()
            case ApiSignal() if body.lease == agent.lease:
                agent.dependencies.limits.signal(agent, body)
            case Spending() if body.lease == agent.lease:
                agent.dependencies.limits.spending(agent, body)

    async def handle(self, peer: Peer, body: Body) -> Body:
        self.acceptor.attach(peer, self)
        if self.epoch != self.acceptor.epoch:
            raise LinkError("replaced", "a newer connection of this agent has taken over")
        body = self.agent.dependencies.redact(body)
        try:
            match body:
                case Send():
                    return await self._send(body)
                case Take():
                    return await self._take(body)
                case Recv():
                    return await self._recv(body)
                case GetThread(id_):
                    agent = self.agent
                    return Inbox(await agent.dependencies.broker.thread(id_, agent.name))
                case Finish():
                    return await self._finish(body)
                case Emit():
                    return self._emit(body)
                case SetStatus(text):
                    return await self._set_status(text)
            if isinstance(body, reminders.FromAgent | schedules.FromAgent):
                return await self._remind(body)
            if isinstance(body, questions.FromAgent):
                return await self.agent.dependencies.questions.handle(self.agent.name, body)
            if isinstance(body, wake_ups.FromAgent):
                return await self.agent.dependencies.wake_ups.handle(self.agent.name, body)
            if isinstance(body, approvals.FromAgent):
                return await self.agent.dependencies.approvals.request(self.agent.name, body)
        except (BrokerError, StoreError, ConfigRepoError, GitError) as error:
            raise LinkError(error.code, str(error)) from None
        raise LinkError("not_allowed", f"{type(body).__name__} cannot be asked here")

    async def _remind(self, asked: reminders.FromAgent | schedules.FromAgent) -> Body:
        """Its own reminders and schedules, and no others'."""
        name, own = self.agent.name, self.agent.dependencies
        match asked:
            case Remind():
                return await own.reminders.remind(name, asked)
            case ListReminders():
                listed = await own.reminders.listed(name), await own.schedules.listed(name)
                return ReminderList(*listed)
            case CancelReminder(id_, schedule):
                return await (own.schedules if schedule else own.reminders).cancel(name, id_)
            case RequestSchedule():
                return await own.schedules.request(name, asked)
            case ReminderRollup():
                return await own.reminders.rollup(asked, name)

    async def _send(self, send: Send) -> Sent:
        broker, name = self.agent.dependencies.broker, self.agent.name
        draft = Draft(
            name, send.to, send.body, send.in_reply_to, send.key, send.urgent, by_turn=True
        )
        return Sent(await broker.send(draft))

    async def _set_status(self, text: str) -> Done:
        """Show the agent's line to the operator; raises BadLine, StoreError."""
        agent = self.agent
        line = checked_line(text, "the status", MOST_STATUS)
        await agent.dependencies.directory.set_status_line(
            agent.name, line, lambda line: agent.publish(Said(line))
        )
        return Done()

    async def _take(self, take: Take) -> Taken:
        """The instance says that it holds nothing; give it the next message when there is one."""
        agent = self.agent
        self.takes += 1
        mine = self.takes
        self.taking.cancel()  # an earlier Take of this session is nobody's any more
        async with self.one_take:
            if mine != self.takes:
                return Taken()
            lease, self.unclaimed = self.unclaimed, None
            if lease is not None and lease.id == agent.lease:
                return Taken(lease)
            if agent.counts.leased:
                await agent.holder_gone("its harness took new work without ending it", count=True)
            await agent.dependencies.wake_ups.send_pending(agent.name)
            with trio.move_on_after(_seconds(take.wait)) as self.taking:
                there = agent.counts.queued > 0
                while True:
                    if there and agent.open.is_set() and (lease := await self._lease()):
                        if mine == self.takes:
                            return Taken(lease)
                        self.unclaimed = lease
                        return Taken()
                    await agent.open.wait()
                    await agent.dependencies.broker.wait_queued(
                        agent.name, urgent_only=self._urgent
                    )
                    there = True
        wait = agent.why_waiting
        return Taken(None) if wait is None else Taken(None, wait.reason, wait.until)

    @property
    def _urgent(self) -> bool:
        return self.agent.dependencies.limits.only_urgent(self.agent)

    async def _lease(self) -> Lease | None:
        """Lease the oldest message. Shielded: a lease that is committed must be answered."""
        agent = self.agent
        with trio.move_on_after(LEASE_DEADLINE_S, shield=True):
            if await agent.dependencies.limits.admit(agent) is not None:
                agent.look_again()
                if agent.open.is_set():  # refused, but not held: it must not ask in a busy loop
                    await trio.sleep(REFUSED_PAUSE_S)
                return None
            lease = await agent.dependencies.broker.lease(
                agent.name, self.instance, uuid.uuid4().hex, urgent_only=self._urgent
            )
            if lease is not None:
                agent.work_began(lease.id)
                agent.dependencies.limits.turn_began(
                    agent, lease.id, urgent=_urgent(lease.messages)
                )
            return lease
        return None

    async def _recv(self, recv: Recv) -> Taken:
        """Add messages to the lease of the running turn."""
        agent = self.agent
        if recv.lease != agent.lease:
            raise LinkError("no_lease", "that turn is over: what it held went back to the queue")
        most = clamp(recv.max, 1, MOST_TAKEN)
        joined = await self._join(recv.lease, most)
        with trio.move_on_after(_seconds(recv.wait)):
            while not joined and recv.lease == agent.lease:
                await agent.dependencies.broker.wait_queued(agent.name, urgent_only=self._urgent)
                joined = await self._join(recv.lease, most)
        counts = agent.counts
        return Taken(Lease(recv.lease, joined, counts.urgent if self._urgent else counts.queued))

    async def _join(self, lease: str, most: int) -> tuple[Message, ...]:
        """Lease more messages. Shielded as `_lease` is: what is leased must be answered."""
        agent = self.agent
        with trio.move_on_after(LEASE_DEADLINE_S, shield=True):
            joined = await agent.dependencies.broker.join(
                lease, agent.name, self.instance, most, urgent_only=self._urgent
            )
            if _urgent(joined):
                agent.dependencies.limits.turn_began(agent, lease, urgent=True)
            return joined
        return ()

    async def _finish(self, finish: Finish) -> Done:
        """Acknowledge or return the lease, once: a repeated Finish waits for the end of the first.

        It then finds nothing to do, or tries again what failed. Shielded: a link that breaks now
        must not leave the decision half done.
        """
        agent = self.agent
        if finish.lease != agent.lease:
            return Done()
        await acquire(agent.end_lock)
        try:
            with trio.move_on_after(LEASE_DEADLINE_S, shield=True):
                if finish.lease == agent.lease:
                    await self._settle(finish)
                return Done()
        finally:
            agent.end_lock.release()
        raise LinkError(
            "store_slow",
            f"the end of the turn is not written after {LEASE_DEADLINE_S:g} s; say it again",
        )

    async def _settle(self, finish: Finish) -> None:
        """Lease, failures and park change in one transaction, which finds nothing when repeated."""
        agent, broker = self.agent, self.agent.dependencies.broker
        await agent.turn_ended(finish.lease, finish.report)
        record = agent.record
        decided = after_turn(
            finish.report,
            failures=record.failures,
            now=time.time(),
            jitter=random.random(),
            held=agent.hold is not None,
        )
        also = None
        if decided.park is not None or decided.failures != record.failures:
            also = agent.dependencies.directory.turn_ended(
                agent.name, decided.park, decided.failures
            )
        if decided.park is not None:
            agent.close()  # before its messages are queued again
        try:
            if decided.ack:
                await broker.ack(finish.lease, self.instance, also)
            else:
                await broker.nack(
                    finish.lease,
                    self.instance,
                    count=decided.count,
                    limited=decided.limited,
                    why=finish.report.outcome.value,
                    also=also,
                )
        finally:
            if decided.park is not None:
                agent.park_request.set()  # `serve` parks the agent, or opens it again
        agent.work_began(None)

    def _emit(self, emit: Emit) -> Done:
        """Publish what is new: the harness repeats itself when an answer was lost."""
        agent = self.agent
        if agent.emitted_by != self.instance:
            agent.emitted_by, agent.emitted = self.instance, emit.first
        now = time.time()
        for said, event in emit.events[max(0, agent.emitted - emit.first) :]:
            at = event_time(said, now)
            if isinstance(event, Supervision):
                path = f"{self.acceptor.path}/{event.path}"[:MOST_PATH]
                agent.publish(evolve(event, path=path, report=event.report[:MOST_REPORT]), at)
            elif isinstance(event, _FROM_HARNESS):
                agent.publish(event, at)
        agent.emitted = max(agent.emitted, emit.first + len(emit.events))
        return Done()


def _urgent(messages: tuple[Message, ...]) -> bool:
    return any(message.urgent for message in messages)


def _seconds(asked: float) -> float:
    return clamp(asked, 0.0, LONGEST_TAKE_S)
