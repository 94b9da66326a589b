"""The message loop of one incarnation: system messages first, one handler at a time."""

from __future__ import annotations

import math
from collections.abc import Callable

import trio

from hive.actors.actor import DEFERRED, Actor
from hive.actors.incarnation import Incarnation
from hive.actors.mailbox import YIELD_EVERY
from hive.actors.messages import (
    Call,
    Cast,
    Info,
    Inspect,
    Replace,
    StopOrder,
    Suspend,
    Tick,
)
from hive.actors.probe import change_state, status_of
from hive.actors.trace import Trace


class Loop:
    """Ends by a StopOrder, whose detail it returns, or by what a handler raises."""

    __slots__ = ("_actor", "_life", "_suspended", "_tick", "_trace")

    def __init__(
        self, actor: Actor, life: Incarnation, trace: Trace, tick: Callable[[], None]
    ) -> None:
        self._actor = actor
        self._life = life
        self._trace = trace
        self._tick = tick
        self._suspended = False

    async def run(self) -> str:
        """Handle messages until told to stop."""
        actor, life, trace = self._actor, self._life, self._trace
        box, timers = life.box, life.timers
        now = box.now
        streak = 0
        while True:
            if timers.next != math.inf:
                for due in timers.pop_due(now()):
                    box.put_system(due)
            envelope = box.take(system_only=self._suspended)
            if envelope is None:
                streak = 0
                if timers.next == math.inf:
                    await box.wait()
                else:
                    with trio.CancelScope(deadline=timers.next):
                        await box.wait()
                continue
            streak += 1
            if streak >= YIELD_EVERY:
                streak = 0
                await trio.lowlevel.checkpoint()
            trace.add(now(), envelope)
            if isinstance(envelope, Call):
                life.current = envelope
                answer = await actor.handle_call(envelope.message, envelope)
                if answer is not DEFERRED:
                    envelope.settle(answer)
            elif isinstance(envelope, Cast):
                life.current = envelope
                await actor.handle_cast(envelope.message)
            elif isinstance(envelope, StopOrder):
                return str(envelope.message)
            else:
                life.current = None
                await self._handle_system(envelope)

    async def _handle_system(self, envelope: Info | Tick | Inspect | Suspend | Replace) -> None:
        match envelope:
            case Info():
                await self._actor.handle_info(envelope.message)
            case Tick():
                self._tick()
            case Inspect():
                status = status_of(self._actor, self._life, self._trace, self._suspended)
                envelope.settle(status)
            case Suspend():
                self._suspended = bool(envelope.message)
                envelope.settle(None)
            case Replace():
                change_state(self._actor, envelope)
