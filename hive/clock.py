"""The clock of our event loops: time in which a process stood still does not pass.

A process stands still when it is stopped (Ctrl-Z, SIGSTOP, a debugger), when its virtual machine
is paused, or when it gets no processor. By an ordinary clock, all deadlines have passed when it
goes on, and it takes every healthy neighbour for dead before it has read what that has sent
meanwhile. By this one, each wait goes on where it was: pings, watchdogs, graces, timeouts.

(While the machine sleeps, Linux's monotonic clock stands still by itself.)
"""

import time
from collections.abc import Callable

import trio

STANDSTILL_S = 2.0
"""A loop that comes back later than this has stood still; up to it, the machine is only busy."""

LONGEST_SLEEP_S = 5.0
"""The loop looks at the clock at least this often, so that no standstill hides in a long sleep."""


class LoopClock(trio.abc.Clock):
    """For `trio.run(…, clock=LoopClock())`. `now` is a monotonic clock of the system, in seconds.

    After a standstill, at most the sleep that the loop had planned (LONGEST_SLEEP_S) has passed.
    """

    __slots__ = ("_expected", "_lost", "_now")

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._lost = 0.0
        self._expected = now()  # when the loop looks at the clock next, at the latest

    @property
    def lost(self) -> float:
        """Seconds that did not count, since the beginning."""
        return self._lost

    def start_clock(self) -> None:
        """Begin, when Trio's loop does."""
        self._expected = self._now()

    def current_time(self) -> float:
        """Seconds in which the loop ran, or slept as it had planned."""
        now = self._now()
        if now - self._expected > STANDSTILL_S:
            self._lost += now - self._expected
        self._expected = now
        return now - self._lost

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Return for how long the loop may sleep now, in seconds."""
        planned = min(deadline - self.current_time(), LONGEST_SLEEP_S)
        self._expected += max(0.0, planned)
        return planned
