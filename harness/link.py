"""The harness's link to the daemon: connects for ever, uploads events, reports its own tree."""

import logging
from collections.abc import Callable

import trio

from harness.outbox import Stamped
from harness.shared import Shared
from hive.link import LinkClosed, Peer, RemoteError, Session
from hive.link.reconnect import keep_connected
from hive.supervisors import Context
from hive.wire.bodies import Body
from hive.wire.codec import PROTOCOL, WireError
from hive.wire.frames import Hello, Welcome
from hive.wire.harness import Emit, HarnessSettings, Interrupt, Report, StopHarness

_log = logging.getLogger(__name__)

REPORT_EVERY_S = 5.0
GATHER_S = 0.01
"""Events come in bursts, and one request for each would delay the turn that they tell of."""

SETTLE_S = 0.05
"""Changes of the tree come in bursts; one report is enough for each."""

_EMIT_TIMEOUT_S = 30.0
_ORPHAN_AFTER_S = 900.0
"""Until the daemon has said otherwise."""


class NotConnected(Exception):
    """The daemon is away: it was not asked."""


class NoAnswer(NotConnected):
    """The daemon was asked and did not answer: it may or may not have been done."""


class Link:
    """The one connection. The other parts of the harness ask the daemon through `request`."""

    def __init__(
        self,
        shared: Shared,
        *,
        report: Callable[[], Report],
        interrupt: Callable[[Interrupt], object],
    ) -> None:
        self._shared = shared
        self._report = report
        self._pushes = _Pushes(shared, interrupt)
        self._peer: Peer | None = None
        self._here = trio.Event()
        self._gone_at: float | None = None
        self._changed = trio.Event()

    async def wait_connected(self, within: float) -> bool:
        """Whether there is a connection, now or within that many seconds."""
        with trio.move_on_after(within):
            await self._here.wait()
        return self._here.is_set()

    @property
    def orphaned(self) -> bool:
        """Whether the daemon has been away for so long that this harness is to end."""
        settings = self._shared.settings
        limit = _ORPHAN_AFTER_S if settings is None else settings.orphan_after_s
        if self._here.is_set() or self._gone_at is None:
            return False
        return trio.current_time() - self._gone_at > limit

    def changed(self) -> None:
        """The tree, the turn or the session changed: report it soon."""
        self._changed.set()

    async def request(
        self, body: Body, *, timeout: float, within: float, once: bool = False
    ) -> Body:
        """Ask the daemon, waiting for a connection, until `within` seconds have passed.

        After a lost connection or `timeout` seconds without an answer it is asked again, unless
        `once`. Raises RemoteError when the daemon refuses, NotConnected and NoAnswer when there was
        no answer, WireError when it cannot be sent, ValueError when `within` is shorter than
        `timeout`: the question would be repeated before its answer is due.
        """
        if within < timeout:
            raise ValueError(f"within is {within:g} s, it must be at least timeout: {timeout:g} s")
        asked, body = False, self._shared.hide(body)
        with trio.move_on_after(within):
            while not (asked and once):
                await self._here.wait()
                assert self._peer is not None
                peer, asked = self._peer, True
                try:
                    return await peer.request(body, timeout=timeout)
                except LinkClosed:
                    self._gone(peer)
                except trio.TooSlowError:
                    pass
        if asked:
            raise NoAnswer("the daemon did not answer")
        raise NotConnected("the daemon is away")

    async def run(self, ctx: Context) -> None:
        """One incarnation of the supervised child: connects, and again whenever that has ended."""
        self._gone_at = self._gone_at or trio.current_time()
        ctx.ready()
        ctx.note("connecting")
        await keep_connected(
            self._shared.options.socket,
            self._hello,
            lambda peer, welcome: self._use(ctx, peer, welcome),
            self._pushes,
            failed=lambda error: self._failed(ctx, error),
        )

    def _hello(self) -> Hello:
        holding = self._shared.holding
        return Hello(
            PROTOCOL,
            "harness",
            self._shared.instance,
            lease=None if holding is None else holding.lease,
        )

    def _failed(self, ctx: Context, error: Exception) -> None:
        ctx.tick()
        ctx.note(f"no link to the daemon: {error}"[:200])

    async def _use(self, ctx: Context, peer: Peer, welcome: Welcome) -> None:
        """Serve one connection until it is closed."""
        if welcome.settings is not None:
            self._shared.take_settings(welcome.settings)
        self._peer = peer
        self._here.set()
        ctx.tick()
        ctx.note(None)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._hint, peer)
                nursery.start_soon(self._upload, peer)
                nursery.start_soon(self._report_changes, ctx, peer)
                await peer.closed.wait()
                nursery.cancel_scope.cancel()
        finally:
            self._gone(peer)

    def _gone(self, peer: Peer) -> None:
        if peer is self._peer:
            self._peer = None
            self._here = trio.Event()
            self._gone_at = trio.current_time()

    async def _hint(self, peer: Peer) -> None:
        hints = self._shared.hints
        hints.clear()  # of a time when nobody listened: the turn's report says it again
        while True:
            hint = await hints.take()
            try:
                await peer.push(self._shared.hide(hint))
            except LinkClosed:
                return
            except WireError as error:
                _log.warning("%s cannot be sent: %s", type(hint).__name__, error)

    async def _upload(self, peer: Peer) -> None:
        outbox = self._shared.outbox
        while True:
            await outbox.wait()
            await trio.sleep(GATHER_S)
            first, events = outbox.batch()
            if not await self._emit(peer, first, events):
                return
            outbox.done(first + len(events))

    async def _emit(self, peer: Peer, first: int, events: tuple[Stamped, ...]) -> bool:
        """False if the connection is of no more use."""
        try:
            await peer.request(Emit(first, events), timeout=_EMIT_TIMEOUT_S)
        except (RemoteError, WireError) as error:
            _log.warning("events %d to %d were refused: %s", first, first + len(events), error)
        except LinkClosed:
            return False
        except trio.TooSlowError:
            await peer.close("no answer to events in time")
            return False
        return True

    async def _report_changes(self, ctx: Context, peer: Peer) -> None:
        while True:
            self._changed = trio.Event()
            ctx.tick()
            try:
                await peer.push(self._shared.hide(self._report()))
            except LinkClosed:
                return
            with trio.move_on_after(REPORT_EVERY_S):
                await self._changed.wait()
                await trio.sleep(SETTLE_S)  # work first: a report can wait for the next change


class _Pushes(Session):
    """What the daemon may tell the harness without being asked."""

    pushes = StopHarness | Interrupt | HarnessSettings

    def __init__(self, shared: Shared, interrupt: Callable[[Interrupt], object]) -> None:
        self._shared = shared
        self._interrupt = interrupt

    def pushed(self, peer: Peer, body: Body) -> None:
        match body:
            case StopHarness():
                self._shared.stop_grace = max(0.0, body.grace)
                self._shared.stop.set()
            case Interrupt():
                self._interrupt(body)
            case HarnessSettings():
                self._shared.take_settings(body)
