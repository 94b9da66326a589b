"""Sleeping until a time of the wall clock, and less long when something changed."""

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
    """The time of Trio's clock at which it is `until` (epoch seconds), as the clocks go now.

    None stands for never, and stays None.
    """
    return None if until is None else trio.current_time() + max(0.0, until - time.time())


class WaitEnds:
    """When waits of one owner are over: as soon as one of two clocks says so.

    The wall clock may be set back, which must make no wait longer; Trio's clock stands still while
    the machine sleeps.
    """

    def __init__(self) -> None:
        self._ends: dict[float, float] = {}  # by the time of the wall clock, in Trio's time

    def over(self, until: float | None) -> bool:
        """Whether a wait until `until` (epoch seconds; None: for ever) is over.

        How long it lasts at most is decided when it is asked for the first time.
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
    """One waiter; `ring` wakes it, also when it was rung since `reset`."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._rung = trio.Event()

    def ring(self) -> None:
        """Something changed: look again."""
        self._rung.set()

    def reset(self) -> None:
        """To be called before the look whose result is waited for."""
        self._rung = trio.Event()

    async def wait(self, until: float | None, tick: Callable[[], None] = lambda: None) -> None:
        """Return at `until` (epoch seconds; None: never), or before, to look again: when rung, and
        when the wall clock was set back. `tick` tells of each look.

        Late by at most RECHECK_S when the clock was set forward, or the machine slept.
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
