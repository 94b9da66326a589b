"""Waits until a time of the wall clock, which may be set, and of Trio's clock, which may stop."""

import math
import time
from collections.abc import Callable

import trio

from hive.wire.bounds import clamp

RECHECK_S = 60.0
"""Longest sleep between two looks at the wall clock, which may have been set."""

SET_BACK_S = 60.0
"""A wall clock that went back by less is only being corrected."""

_MOST_ENDS = 8
"""Waits of one owner come one after the other; the oldest are forgotten."""

_LEAST_S = 0.001
"""A clock that stands still, or is slowed down, must not make this a busy loop."""


def trio_time(until: float | None) -> float | None:
    """Convert epoch seconds to the time of Trio's clock, as the two clocks go now.

    A time that is over becomes now. None stands for never, and stays None.
    """
    return None if until is None else trio.current_time() + max(0.0, until - time.time())


class WaitEnds:
    """Decides when the waits of one owner are over: as soon as one of two clocks says so.

    The wall clock may be set back, which must make no wait longer; Trio's clock stands still while
    the machine sleeps.
    """

    def __init__(self) -> None:
        self._ends: dict[float, float] = {}  # by the time of the wall clock, in Trio's time

    def over(self, until: float | None) -> bool:
        """Return whether a wait until `until` (epoch seconds; None: for ever) is over.

        How long it lasts at most is decided when this is called with it for the first time.
        """
        if until is None:
            return False
        ends = self._ends.get(until)
        if ends is None:
            ends = self._ends[until] = trio.current_time() + until - time.time()
            if len(self._ends) > _MOST_ENDS:
                del self._ends[next(iter(self._ends))]
        return until <= time.time() or ends <= trio.current_time()


class Alarm:
    """A wait that others can end early: call reset(), look what there is to do, then wait().

    For one waiter. `now` gives the wall clock's epoch seconds.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._rung = trio.Event()

    def ring(self) -> None:
        """Wake the waiter, because something has changed."""
        self._rung.set()

    def reset(self) -> None:
        """Forget earlier rings. Call it before the look after which you wait()."""
        self._rung = trio.Event()

    async def wait(self, until: float | None, tick: Callable[[], None] = lambda: None) -> None:
        """Wait until `until` (epoch seconds; None: never), or until there is reason to look again.

        That is a ring since reset(), or a wall clock that was set back. It returns at most
        RECHECK_S late when the clock was set forward, or the machine slept. `tick` is called at
        each look at the clock.
        """
        before = math.inf
        while True:
            tick()
            left = math.inf if until is None else until - self._now()
            if left <= 0 or left > before + SET_BACK_S:
                await trio.lowlevel.checkpoint()
                return
            before = left
            with trio.move_on_after(clamp(left, _LEAST_S, RECHECK_S)):
                await self._rung.wait()
                return
