"""Deadlines of calls, kept in one place for the whole run.

A cancel scope with a deadline costs as much as all the rest of a call, and nearly all calls are
answered long before. So deadlines are thrown unsorted into buckets of time, which is a set's add
and discard; only what still waits when its bucket comes up is sorted. A hashed timing wheel
(Varghese and Lauck, 1987), with exact times in the end.
"""

from __future__ import annotations

import math
from typing import Final, Protocol

import trio

PER_SECOND: Final = 16  # buckets; a power of two, so that their bounds are exact


class Waiter(Protocol):
    """One who waits until a deadline, a time of Trio's clock."""

    deadline: float

    def expire(self) -> None:
        """Take note that the deadline has passed. Must neither block nor raise."""


class Deadlines:
    """All who wait in this run of Trio. Its run() sleeps until the next bucket that is in use."""

    def __init__(self) -> None:
        self._buckets: dict[int, set[Waiter]] = {}
        self._opened = -1  # the last bucket whose time has come
        self._next = math.inf
        self._sleep: trio.CancelScope | None = None

    @property
    def buckets(self) -> int:
        """How many buckets are in use."""
        return len(self._buckets)

    def add(self, waiter: Waiter) -> set[Waiter]:
        """Call the waiter's expire() at its deadline, unless it is discarded from the set before.

        Returns the set (its bucket); discard the waiter from it when it waits no more.
        """
        if waiter.deadline == math.inf:
            return set()
        number = int(waiter.deadline * PER_SECOND)
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = set()
            self._wake_at(number / PER_SECOND)
        elif number <= self._opened:
            self._wake_at(waiter.deadline)
        bucket.add(waiter)
        return bucket

    async def run(self) -> None:
        """Let waiters expire until cancelled: the body of a system task."""
        while True:
            with trio.CancelScope(deadline=self._next) as self._sleep:
                await trio.sleep_forever()
            self._next = self._expire(trio.current_time())

    def _expire(self, now: float) -> float:
        """Let those expire that are due; returns when to look again."""
        due = math.inf
        self._opened = int(now * PER_SECOND)
        for number in sorted(self._buckets):
            if number > self._opened:
                return min(due, number / PER_SECOND)
            bucket = self._buckets[number]
            for waiter in tuple(bucket):
                if waiter.deadline <= now:
                    bucket.discard(waiter)
                    waiter.expire()
                else:
                    due = min(due, waiter.deadline)
            if not bucket:
                del self._buckets[number]
        return due

    def _wake_at(self, when: float) -> None:
        if when < self._next:
            self._next = when
            if self._sleep is not None:
                self._sleep.deadline = when


_of_this_run: trio.lowlevel.RunVar[Deadlines] = trio.lowlevel.RunVar("hive.actors.deadlines")


def deadlines() -> Deadlines:
    """Return the deadlines of this run of Trio; the first call of a run starts their task."""
    try:
        return _of_this_run.get()
    except LookupError:
        made = Deadlines()
        _of_this_run.set(made)
        trio.lowlevel.spawn_system_task(made.run, name="deadlines of calls")
        return made
