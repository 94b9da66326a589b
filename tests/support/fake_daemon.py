"""A daemon as the web process sees it: the real link, with status and events that a test sets."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import trio
from attrs import evolve

from hive.link import Credentials, LinkError, Peer, RefuseHello, Session, serve
from hive.wire.agents import AgentStatus
from hive.wire.bodies import Body, PageBody
from hive.wire.daemon import Done, GetStatus, Status
from hive.wire.events import Event, EventBatch, Events, Follow, GetEvents, LiveEvent, Resync
from hive.wire.frames import Hello
from hive.wire.messages import MessageMoved, MessageSent, MessageState, OperatorSend, Sent
from hive.wire.names import EVERYBODY
from hive.wire.states import AgentState
from hive.wire.tree import TreeNode

T = TypeVar("T")


class FakeDaemon:
    """Listens at `path` while `run` runs."""

    def __init__(self, path: Path, agents: tuple[str, ...] = ("manager", "worker-1")) -> None:
        self.path = path
        self.events: list[LiveEvent] = []
        self.sent: list[OperatorSend] = []
        self.links: list[Peer] = []
        self.changed = trio.Event()
        self.asked_status = 0
        self.pace = 0.0
        """Seconds between two batches of events."""
        self.agents = tuple(
            AgentStatus(name, AgentState.RUNNING, time.time(), connected=True, last_tick_age_s=1.0)
            for name in agents
        )
        self.status = Status(
            version=1,
            root="/var/lib/hyperhive",
            seq=0,
            agents=(),
            tree=TreeNode("hive", "supervisor", AgentState.RUNNING, time.time()),
        )
        self._scope = trio.CancelScope()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with trio.CancelScope() as self._scope:
            await serve(self.path, self._accept, task_status=task_status)
        self.path.unlink(missing_ok=True)

    def stop(self) -> None:
        self._scope.cancel()

    async def _accept(self, hello: Hello, _: Credentials) -> Session:
        if hello.role != "web":
            raise RefuseHello("wrong_role", "only the web process connects here")
        return _WebSession(self)

    def publish(self, agent: str | None, *events: Event) -> int:
        """Append events; returns the last one's sequence number."""
        for event in events:
            self.events.append(LiveEvent(self.seq + 1, time.time(), agent, event))
        self._touch()
        return self.seq

    @property
    def seq(self) -> int:
        return self.events[-1].seq if self.events else 0

    def message(self, sender: str, to: str, body: str, **more: Any) -> int:
        id_ = 1 + sum(isinstance(live.event, MessageSent) for live in self.events)
        self.publish(sender, MessageSent(id_, sender, to, body, **more))
        return id_

    def move(self, state: MessageState, *ids: int, why: str = "") -> None:
        self.publish(None, MessageMoved(ids, state, why))

    def change(self, name: str, **changes: Any) -> None:
        """Change an agent's status."""
        self.agents = tuple(
            evolve(agent, **changes) if agent.name == name else agent for agent in self.agents
        )

    async def lag(self) -> None:
        """Tell every follower that events were lost."""
        for peer in self.links:
            await peer.push(Resync())

    def _touch(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    def status_now(self) -> Status:
        self.asked_status += 1
        return evolve(self.status, seq=self.seq, agents=self.agents)

    def send(self, message: OperatorSend) -> int:
        known = [agent.name for agent in self.agents]
        if message.to not in (*known, EVERYBODY):
            raise LinkError("unknown_recipient", f"{message.to!r} is not among {', '.join(known)}")
        self.sent.append(message)
        return self.message("operator", message.to, message.body, in_reply_to=message.in_reply_to)


class _WebSession(Session):
    requests = PageBody

    def __init__(self, daemon: FakeDaemon) -> None:
        self.daemon = daemon
        self.followed = trio.Event()
        self.since = 0

    async def handle(self, peer: Peer, body: Body) -> Body:
        match body:
            case GetStatus():
                return self.daemon.status_now()
            case OperatorSend():
                return Sent(self.daemon.send(body))
            case GetEvents(agent, since, limit):
                found = [
                    live
                    for live in self.daemon.events
                    if live.seq > since and agent in (None, live.agent)
                ]
                return Events(tuple(found[-limit:]), self.daemon.seq)
            case Follow(since=since):
                self.since = since
                self.followed.set()
                return Done()
        raise LinkError("not_allowed", "not here")

    async def run(self, peer: Peer) -> None:
        self.daemon.links.append(peer)
        await self.followed.wait()
        while True:
            changed = self.daemon.changed
            batch = [live for live in self.daemon.events if live.seq > self.since][:200]
            if batch:
                self.since = batch[-1].seq
                await peer.push(EventBatch(tuple(batch)))
                await trio.sleep(self.daemon.pace)
            else:
                await changed.wait()

    def closed(self, peer: Peer) -> None:
        if peer in self.daemon.links:
            self.daemon.links.remove(peer)


class ThreadedDaemon:
    """A FakeDaemon on a loop in a thread of its own, for tests that are not async."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._token: trio.lowlevel.TrioToken | None = None
        self._end = trio.Event()
        self._nursery: trio.Nursery | None = None
        self.daemon = FakeDaemon(path)

    def call(self, function: Callable[..., T], *args: Any, **more: Any) -> T:
        """Run a function in the daemon's loop."""
        return trio.from_thread.run_sync(lambda: function(*args, **more), trio_token=self._token)

    def acall(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run an async function in the daemon's loop."""
        return trio.from_thread.run(function, *args, trio_token=self._token)

    def start(self) -> None:
        """Listen (again), with everything that was published before."""

        async def start() -> None:
            assert self._nursery is not None
            await self._nursery.start(self.daemon.run)

        self.acall(start)

    def stop(self) -> None:
        """Stop listening and drop all links, as a daemon that was killed."""
        self.call(self.daemon.stop)

    async def _main(self, up: threading.Event) -> None:
        self._token = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as self._nursery:
            await self._nursery.start(self.daemon.run)
            up.set()
            await self._end.wait()
            self._nursery.cancel_scope.cancel()


@contextmanager
def threaded_daemon(path: Path) -> Iterator[ThreadedDaemon]:
    """A running ThreadedDaemon."""
    threaded = ThreadedDaemon(path)
    up = threading.Event()
    thread = threading.Thread(target=trio.run, args=(threaded._main, up))
    thread.start()
    try:
        assert up.wait(5)
        yield threaded
    finally:
        threaded.call(threaded._end.set)
        thread.join(5)
