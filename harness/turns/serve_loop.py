"""The serve loop: takes a lease, has its turn driven, acknowledges or returns it."""

import trio
from attrs import evolve

from harness.link import Link, NotConnected
from harness.state import HarnessState, HeldLease
from harness.turns import failpoints
from harness.turns.runner import STOPPED_S, TurnRunner
from hive.link import RemoteError
from hive.supervisors import Context
from hive.wire.daemon import Notice
from hive.wire.harness import HarnessSettings
from hive.wire.turns import (
    Finish,
    Lease,
    Outcome,
    Take,
    Taken,
    TurnEnded,
    TurnReport,
    TurnStarted,
    Usage,
)

STORE_TROUBLE = "store_"
"""Beginning of the codes with which a daemon says that its disk is full or broken."""

_NOT_ASKED = frozenset({"replaced", "busy"})
"""Codes with which a request is refused before it is looked at: later it may be taken."""

DRAIN_S = 30.0
"""How long a turn may take to be interrupted and reported when the harness is stopped."""

GRACE_S = STOPPED_S + 2.0
"""How long it may then take to end when it is cancelled."""

_ANSWER_S = 10.0
_CONNECT_S = 2.0
_STORE_RETRY_S = 2.0
_PAUSE_S = 1.0


class ServeLoop:
    """Works on one lease after the other; the one that it holds is in `state.holding`."""

    def __init__(self, state: HarnessState, link: Link, turns: TurnRunner) -> None:
        self._state = state
        self._link = link
        self._turns = turns
        self._stopping = False
        self._waiting = trio.CancelScope()

    @property
    def turn(self) -> str | None:
        """The id of the running turn, which is its lease's; None between turns."""
        holding = self._state.holding
        return None if holding is None else holding.lease

    async def run(self, ctx: Context) -> None:
        """One incarnation of the supervised child; it begins without a lease."""
        self._state.holding = None
        self._stopping = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_stop, ctx)
            ctx.ready()
            while not self._stopping:
                await self._serve_one(ctx)
            nursery.cancel_scope.cancel()

    async def _serve_one(self, ctx: Context) -> None:
        ctx.tick()
        if self._link.orphaned:
            await self._end_harness(ctx)
            return
        await failpoints.hang("serve.hang")
        ctx.note("waits for a message")
        lease = await self._take(ctx)
        ctx.tick()
        settings = self._state.settings
        if lease is None or settings is None:
            return
        self._state.holding = HeldLease.of(lease)
        self._link.changed()
        await failpoints.hang("serve.hang-leased")
        ctx.note(f"works on message {lease.messages[0].id}" if lease.messages else None)
        report = await self._work(ctx, lease, settings)
        ctx.note("reports the turn")
        await self._finish(ctx, lease, report)
        self._state.holding = None
        self._link.changed()

    async def _take(self, ctx: Context) -> Lease | None:
        """The next lease; None when none came in `take_wait` seconds, or it cannot be asked for."""
        wait = self._state.options.take_wait
        asked_at = trio.current_time()
        ctx.extend(wait + 2 * _ANSWER_S)
        taken = None
        try:
            with trio.CancelScope() as self._waiting:
                if self._stopping or not await self._link.wait_connected(_PAUSE_S):
                    return None
                answer = await self._link.request(
                    Take(wait), timeout=wait + _ANSWER_S, total_timeout=wait + _ANSWER_S, once=True
                )
                taken = answer if isinstance(answer, Taken) else None
        except (RemoteError, NotConnected) as error:
            ctx.note(f"no work: {error}"[:200])
        if taken is not None and taken.lease is not None:
            return taken.lease
        if (
            trio.current_time() - asked_at < _PAUSE_S and not self._stopping
        ):  # an answer at once must not spin the loop
            with trio.CancelScope() as self._waiting:
                await trio.sleep(_PAUSE_S)
        return None

    async def _work(self, ctx: Context, lease: Lease, settings: HarnessSettings) -> TurnReport:
        emit = self._state.emit
        numbers = tuple(message.id for message in lease.messages)
        emit(TurnStarted(lease.id, numbers, self._turns.session))
        try:
            report = await self._turns.drive(lease, settings, ctx)
        except trio.Cancelled:
            emit(TurnEnded(lease.id, Outcome.INTERRUPTED, "cut off in the middle", 0.0, Usage()))
            raise
        holding = self._state.holding
        if holding is not None and holding.unsure and report.outcome is Outcome.COMPLETED:
            detail = "the answer to a recv was lost: messages may have come that it never saw"
            report = evolve(report, outcome=Outcome.INTERRUPTED, detail=detail)
        emit(TurnEnded(lease.id, report.outcome, report.detail, report.duration_s, report.usage))
        return report

    async def _finish(self, ctx: Context, lease: Lease, report: TurnReport) -> None:
        """Report the turn until the daemon has answered: what ended well must not run twice."""
        finish = Finish(lease.id, report)
        while not self._link.orphaned:
            ctx.tick()
            try:
                if await self._link.wait_connected(_CONNECT_S):
                    ctx.extend(2 * _ANSWER_S)
                    await self._link.request(finish, timeout=_ANSWER_S, total_timeout=_ANSWER_S)
                    return
                if self._stopping:
                    return  # the daemon returns the lease when this instance has ended
            except NotConnected:
                if self._stopping:
                    return
            except RemoteError as error:
                if not (error.code.startswith(STORE_TROUBLE) or error.code in _NOT_ASKED):
                    self._state.emit(Notice(f"the end of turn {lease.id} was refused: {error}"))
                    return
                ctx.note(f"the daemon cannot take the turn's end: {error}")
                with trio.move_on_after(_STORE_RETRY_S):
                    await ctx.stop_requested.wait()
                    return

    async def _end_harness(self, ctx: Context) -> None:
        """Stop the whole harness, and with it the container: the daemon was away for too long."""
        ctx.note("the daemon is gone: ends")
        self._state.stop.set()
        await ctx.stop_requested.wait()

    async def _watch_stop(self, ctx: Context) -> None:
        await ctx.stop_requested.wait()
        self._stopping = True
        self._waiting.cancel()
        # Half of the time for the turn, the rest for what comes when it does not listen.
        await self._turns.interrupt(min(5.0, self._state.stop_grace / 2))
