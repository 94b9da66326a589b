"""Timers that end with their actor. No tasks: the message loop wakes for the next one."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator

import trio
from attrs import define

from hive.actors.messages import Info, Tick


@define(eq=False)
class Timer:
    """A running timer; cancel() has effect at once, what is in the mailbox already stays."""

    envelope: Info | Tick
    period: float | None = None
    active: bool = True

    def cancel(self) -> None:
        """Send nothing any more."""
        self.active = False


class Timers:
    """A heap of due times; `next` is the earliest, math.inf if there is none."""

    __slots__ = ("_heap", "_made", "next")

    def __init__(self) -> None:
        self.next = math.inf
        self._heap: list[tuple[float, int, Timer]] = []
        self._made = 0

    def start(self, envelope: Info | Tick, delay: float, *, repeat: bool = False) -> Timer:
        """Due in `delay` seconds, or each `delay` seconds; raises ValueError."""
        if not delay >= 0 or (repeat and delay == 0):
            raise ValueError(f"delay is {delay}; allowed: 0 or more, above 0 when it repeats")
        timer = Timer(envelope, delay if repeat else None)
        self._push(trio.current_time() + delay, timer)
        return timer

    def pop_due(self, now: float) -> Iterator[Info | Tick]:
        """What to send now; late repetitions are not made up for."""
        while self.next <= now:
            due, _, timer = heapq.heappop(self._heap)
            if timer.active:
                yield timer.envelope
            if timer.active and timer.period is not None:
                due += timer.period
                self._push(due if due > now else now + timer.period, timer)
            else:
                timer.active = False
            self.next = self._heap[0][0] if self._heap else math.inf

    def _push(self, due: float, timer: Timer) -> None:
        self._made += 1
        heapq.heappush(self._heap, (due, self._made, timer))
        self.next = self._heap[0][0]
