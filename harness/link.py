"""The harness's link to the daemon: it connects for ever, uploads events, reports its own tree."""

import logging
from collections.abc import Callable

import trio

from harness.outbox import Stamped
from harness.state import HarnessState
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
    """There was no connection to the daemon: it was not asked."""


class NoAnswer(NotConnected):
    """The daemon was asked and did not answer: what was asked may or may not have been done."""


class Link:
    """The one connection to the daemon, through which all parts of the harness ask it.

    `report` makes the report that is pushed; `interrupt` is called when the daemon interrupts.
    """

    def __init__(
        self,
        state: HarnessState,
        *,
        report: Callable[[], Report],
        interrupt: Callable[[Interrupt], object],
    ) -> None:
        self._state = state
        self._report = report
        self._pushes = _Pushes(state, interrupt)
        self._peer: Peer | None = None
        self._connected = trio.Event()
        self._disconnected_at: float | None = None
        self._changed = trio.Event()

    async def wait_connected(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for a connection; whether there is one."""
        with trio.move_on_after(timeout):
            await self._connected.wait()
        return self._connected.is_set()

    @property
    def orphaned(self) -> bool:
        """Whether the daemon has been away for so long that this harness is to end."""
        settings = self._state.settings
        limit = _ORPHAN_AFTER_S if settings is None else settings.orphan_after_s
        if self._connected.is_set() or self._disconnected_at is None:
            return False
        return trio.current_time() - self._disconnected_at > limit

    def changed(self) -> None:
        """Have a report pushed soon: the tree, the turn or the session changed."""
        self._changed.set()

    async def request(
        self, body: Body, *, timeout: float, total_timeout: float, once: bool = False
    ) -> Body:
        """Ask the daemon; wait for a connection and its answer, up to `total_timeout` seconds.

        After a lost connection, or `timeout` seconds without an answer, it is asked again, unless
        `once`. Raises RemoteError when the daemon refuses, NotConnected when it could not be asked,
        NoAnswer when it was asked and did not answer, WireError when the request cannot be sent,
        and ValueError when `total_timeout` is shorter than `timeout`: then an answer could come too
        late though it was in time.
        """
        if total_timeout < timeout:
            raise ValueError(
                f"total_timeout is {total_timeout:g} s, it must be at least timeout: {timeout:g} s"
            )
        asked, body = False, self._state.redact(body)
        with trio.move_on_after(total_timeout):
            while not (asked and once):
                await self._connected.wait()
                assert self._peer is not None
                peer, asked = self._peer, True
                try:
                    return await peer.request(body, timeout=timeout)
                except LinkClosed:
                    self._disconnected(peer)
                except trio.TooSlowError:
                    pass
        if asked:
            raise NoAnswer("the daemon did not answer")
        raise NotConnected("the daemon is away")

    async def run(self, ctx: Context) -> None:
        """One incarnation of the supervised child: connects, and again whenever that has ended."""
        self._disconnected_at = self._disconnected_at or trio.current_time()
        ctx.ready()
        ctx.note("connecting")
        await keep_connected(
            self._state.options.socket,
            self._hello,
            lambda peer, welcome: self._use(ctx, peer, welcome),
            self._pushes,
            failed=lambda error: self._failed(ctx, error),
        )

    def _hello(self) -> Hello:
        holding = self._state.holding
        return Hello(
            PROTOCOL,
            "harness",
            self._state.instance,
            lease=None if holding is None else holding.lease,
        )

    def _failed(self, ctx: Context, error: Exception) -> None:
        ctx.tick()
        ctx.note(f"no link to the daemon: {error}"[:200])

    async def _use(self, ctx: Context, peer: Peer, welcome: Welcome) -> None:
        """Serve one connection until it is closed."""
        if welcome.settings is not None:
            self._state.take_settings(welcome.settings)
        self._peer = peer
        self._connected.set()
        ctx.tick()
        ctx.note(None)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._push_queued, peer)
                nursery.start_soon(self._upload, peer)
                nursery.start_soon(self._report_changes, ctx, peer)
                await peer.closed.wait()
                nursery.cancel_scope.cancel()
        finally:
            self._disconnected(peer)

    def _disconnected(self, peer: Peer) -> None:
        if peer is self._peer:
            self._peer = None
            self._connected = trio.Event()
            self._disconnected_at = trio.current_time()

    async def _push_queued(self, peer: Peer) -> None:
        queue = self._state.pushes
        queue.clear()  # of a time when nobody listened: the turn's report says it again
        while True:
            push = await queue.take()
            try:
                await peer.push(self._state.redact(push))
            except LinkClosed:
                return
            except WireError as error:
                _log.warning("%s cannot be sent: %s", type(push).__name__, error)

    async def _upload(self, peer: Peer) -> None:
        outbox = self._state.outbox
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
                await peer.push(self._state.redact(self._report()))
            except LinkClosed:
                return
            with trio.move_on_after(REPORT_EVERY_S):
                await self._changed.wait()
                await trio.sleep(SETTLE_S)  # work first: a report can wait for the next change


class _Pushes(Session):
    """What the daemon may tell the harness without being asked."""

    pushes = StopHarness | Interrupt | HarnessSettings

    def __init__(self, state: HarnessState, interrupt: Callable[[Interrupt], object]) -> None:
        self._state = state
        self._interrupt = interrupt

    def pushed(self, peer: Peer, body: Body) -> None:
        match body:
            case StopHarness():
                self._state.stop_grace = max(0.0, body.grace)
                self._state.stop.set()
            case Interrupt():
                self._interrupt(body)
            case HarnessSettings():
                self._state.take_settings(body)
