"""An in-test daemon and a harness in the test's own process, with the real CLI behind it."""

import importlib.util
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import define, evolve, field

from harness.app import Harness
from harness.state import HarnessOptions
from hive.demo import Script
from hive.demo import serve as serve_api
from hive.link import Credentials, LinkError, Peer, Session, serve
from hive.paths import AgentFolders
from hive.supervisors import run_root
from hive.wire.bodies import AgentBody, Body
from hive.wire.codec import PROTOCOL
from hive.wire.daemon import Done
from hive.wire.events import Event
from hive.wire.frames import Hello, Welcome
from hive.wire.harness import Emit, HarnessSettings, Report
from hive.wire.messages import Message, Send, Sent
from hive.wire.turns import (
    ApiSignal,
    Finish,
    Lease,
    Recv,
    SignalKind,
    Spending,
    Take,
    Taken,
    TurnReport,
)

NAME = "worker-1"


@pytest.fixture(autouse=True)
def no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HIVE_FAULT", raising=False)


@define(eq=False)
class Daemon:
    """One agent's broker and socket, in memory; waits with `until`."""

    settings: HarnessSettings
    queue: list[Message] = field(factory=list)
    lease: Lease | None = None
    holder: str | None = None
    sent: list[Send] = field(factory=list)
    finished: list[Finish] = field(factory=list)
    hellos: list[Hello] = field(factory=list)
    events: list[Event] = field(factory=list)
    emitted: dict[str | None, int] = field(factory=dict)
    report: Report | None = None
    signals: list[ApiSignal] = field(factory=list)
    spending: list[Spending] = field(factory=list)
    peer: Peer | None = None
    changed: trio.Event = field(factory=trio.Event)
    _number: int = 0

    def deliver(self, body: str, sender: str = "operator") -> int:
        self._number += 1
        self.queue.append(Message(self._number, sender, NAME, body, time.time()))
        self._tell()
        return self._number

    def _tell(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    async def until(self, condition, timeout: float = 20.0):
        """Wait for a true value of `condition()` and return it."""
        with trio.fail_after(timeout):
            while not (found := condition()):
                await self.changed.wait()
        return found

    async def reports(self, count: int, timeout: float = 20.0) -> list[TurnReport]:
        """The reports of the first `count` turns."""
        await self.until(lambda: len(self.finished) >= count, timeout)
        return [one.report for one in self.finished]

    def signalled(self) -> list[SignalKind]:
        """The kinds of all signals so far."""
        return [signal.kind for signal in self.signals]

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]

    def give_back(self) -> None:
        if self.lease is not None:
            self.queue[:0] = [evolve(one, redelivered=True) for one in self.lease.messages]
            self.lease = None

    async def accept(self, hello: Hello, _: Credentials) -> "DaemonSession":
        self.hellos.append(hello)
        if self.holder != hello.instance or hello.lease is None:
            self.give_back()
        self.holder = hello.instance
        return DaemonSession(self)


class DaemonSession(Session):
    requests = AgentBody
    pushes = Report | ApiSignal | Spending

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.welcome = Welcome(PROTOCOL, daemon.settings)

    def pushed(self, peer: Peer, body: Body) -> None:
        match body:
            case Report():
                self.daemon.report = body
            case ApiSignal():
                self.daemon.signals.append(body)
            case Spending():
                self.daemon.spending.append(body)
        self.daemon._tell()

    async def run(self, peer: Peer) -> None:
        self.daemon.peer = peer
        self.daemon._tell()

    async def handle(self, peer: Peer, body: Body) -> Body:
        daemon = self.daemon
        try:
            return await self._handle(daemon, body)
        finally:
            daemon._tell()

    async def _handle(self, daemon: Daemon, body: Body) -> Body:
        match body:
            case Take():
                daemon.give_back()
                with trio.move_on_after(body.wait):
                    while not daemon.queue:
                        await daemon.changed.wait()
                    message = daemon.queue.pop(0)
                    lease = f"lease-{message.id}-{len(daemon.finished)}"
                    daemon.lease = Lease(lease, (message,), len(daemon.queue))
                return Taken(daemon.lease)
            case Recv():
                if daemon.lease is None or daemon.lease.id != body.lease:
                    raise LinkError("no_lease", "that turn is over")
                with trio.move_on_after(body.wait):
                    while not daemon.queue:
                        await daemon.changed.wait()
                more = tuple(daemon.queue[: body.max])
                del daemon.queue[: body.max]
                daemon.lease = evolve(daemon.lease, messages=(*daemon.lease.messages, *more))
                return Taken(Lease(body.lease, more, len(daemon.queue)))
            case Finish():
                daemon.finished.append(body)
                daemon.lease = None
                return Done()
            case Send():
                if body.to not in ("operator", "manager"):
                    raise LinkError("unknown_recipient", f"there is no {body.to!r}")
                daemon.sent.append(body)
                return Sent(1000 + len(daemon.sent))
            case Emit():
                seen = daemon.emitted.get(daemon.holder, 0)
                daemon.events.extend(event for _, event in body.events[max(0, seen - body.first) :])
                daemon.emitted[daemon.holder] = body.first + len(body.events)
                return Done()
        raise AssertionError(body)


@define(eq=False)
class Hive:
    """A harness with its daemon and its model."""

    base: Path
    daemon: Daemon
    script: Script
    harness: Harness
    options: HarnessOptions
    nursery: trio.Nursery
    socket: Path
    done: trio.Event = field(factory=trio.Event)
    code: int | None = None
    serving: trio.CancelScope = field(factory=trio.CancelScope)
    running: trio.CancelScope = field(factory=trio.CancelScope)

    async def start_daemon(self) -> None:
        self.serving = await self.nursery.start(_serving, self)

    def stop_daemon(self) -> None:
        self.serving.cancel()

    def start_harness(self) -> None:
        self.harness = Harness(self.options)
        self.done, self.code = trio.Event(), None
        self.nursery.start_soon(self._run_harness)

    async def _run_harness(self) -> None:
        with trio.CancelScope() as self.running:
            state = self.harness.state
            self.code = await run_root(
                self.harness.root,
                name="harness",
                signals=False,
                stop=state.stop,
                sink=self.harness.sink,
            )
        self.done.set()

    def processes(self) -> list[int]:
        """Everything alive that was started with this agent's HOME: claude and what it left."""
        home = f"HOME={self.base / 'claude'}".encode()
        found = []
        for folder in Path("/proc").iterdir():
            try:
                if folder.name.isdigit() and home in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                pass  # it has just ended
        return found

    async def until(self, condition, timeout: float = 10.0) -> None:
        """For what happens in other processes, where there is nothing to wait on."""
        with trio.fail_after(timeout):
            while not condition():  # noqa: ASYNC110 - see above
                await trio.sleep(0.02)

    def waiting(self) -> list[Event]:
        """What the harness has not told the daemon yet."""
        return [event for _, event in self.harness.state.outbox.batch(5000)[1]]

    async def stop_harness(self, timeout: float = 20.0) -> int | None:
        self.harness.state.stop.set()
        with trio.fail_after(timeout):
            await self.done.wait()
        return self.code


async def _serving(hive: Hive, *, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
    with trio.CancelScope() as scope:
        await serve(hive.socket, hive.daemon.accept, ready=lambda: task_status.started(scope))


@pytest.fixture
def start(tmp_path: Path):
    """`async with start(**settings) as hive`: everything runs."""

    @asynccontextmanager
    async def start(**settings) -> AsyncIterator[Hive]:
        base = tmp_path / "agents" / NAME
        for folder in ("state", "harness", "claude"):
            (base / folder).mkdir(parents=True)
        socket = tmp_path / "run" / "hive.sock"
        socket.parent.mkdir()
        timing = {key: settings.pop(key) for key in ("take_wait", "watchdog") if key in settings}
        script = Script()
        async with trio.open_nursery() as nursery:
            port = await nursery.start(serve_api, script)
            environment = settings.pop("environment", (("ANTHROPIC_API_KEY", "sk-test"),))
            url = ("ANTHROPIC_BASE_URL", f"http://127.0.0.1:{port}")
            daemon = Daemon(
                HarnessSettings(
                    NAME,
                    environment=(url, *environment),
                    claude=str(bundled()),
                    peers=("manager",),
                    **settings,
                )
            )
            options = HarnessOptions(NAME, AgentFolders(base), socket, **timing)
            hive = Hive(base, daemon, script, Harness(options), options, nursery, socket)
            await hive.start_daemon()
            hive.start_harness()
            try:
                yield hive
            finally:
                with trio.move_on_after(20, shield=True):
                    if not hive.done.is_set():
                        await hive.stop_harness()
            nursery.cancel_scope.cancel()

    return start


def bundled() -> Path:
    spec = importlib.util.find_spec("claude_agent_sdk")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "_bundled" / "claude"
