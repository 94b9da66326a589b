"""Timers of an actor, which end with it. They need no tasks: its message loop wakes for them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator

import trio
from attrs import define

from hive.actors.envelopes import Info, Tick


@define(eq=False)
class Timer:
    """A timer, as send_after() and send_every() return it.

    `period` is in seconds, None for a timer that sends once. `active` is False once it has sent
    its last message, or was cancelled.
    """

    envelope: Info | Tick
    period: float | None = None
    active: bool = True

    def cancel(self) -> None:
        """Send nothing any more. A message that is in the mailbox already stays there."""
        self.active = False


class ActorTimers:
    """The timers of one incarnation; `next` is the earliest due time, math.inf without any."""

    __slots__ = ("_heap", "_made", "next")

    def __init__(self) -> None:
        self.next = math.inf
        self._heap: list[tuple[float, int, Timer]] = []
        self._made = 0

    def start(self, envelope: Info | Tick, delay: float, *, repeat: bool = False) -> Timer:
        """Start a timer that is due in `delay` seconds, or every `delay` seconds with `repeat`.

        Raises ValueError when `delay` is below 0, or 0 for one that repeats.
        """
        if not delay >= 0 or (repeat and delay == 0):
            raise ValueError(f"delay is {delay}; allowed: 0 or more, above 0 when it repeats")
        timer = Timer(envelope, delay if repeat else None)
        self._push(trio.current_time() + delay, timer)
        return timer

    def pop_due(self, now: float) -> Iterator[Info | Tick]:
        """Yield what is to be sent by `now`; repetitions that were missed are not made up for."""
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
