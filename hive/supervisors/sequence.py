"""Order: which child is stopped next, which is started next, whose timer is due next."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable

from hive.supervisors.child import ChildRecord
from hive.supervisors.snapshot import State


class StopBatch:
    """Stops children in reverse start order, `width` at a time; overdue ones are passed over."""

    def __init__(self, children: Iterable[ChildRecord], width: int) -> None:
        self.members = sorted(children, key=lambda child: child.order)
        self._waiting = list(self.members)
        self._active: list[ChildRecord] = []
        self._width = width

    def advance(self, stop: Callable[[ChildRecord], None]) -> bool:
        """Stop those whose turn it is; returns True when each is gone or overdue."""
        self._active = [child for child in self._active if child.stoppable]
        while self._waiting and len(self._active) < self._width:
            child = self._waiting.pop()
            if child.stoppable:
                stop(child)
                self._active.append(child)
        return not self._active and not self._waiting


class StartQueue:
    """Starts queued children in start order, `width` at a time, not before `due`."""

    def __init__(self, width: int) -> None:
        self.due = -math.inf
        self._waiting: list[tuple[int, int, ChildRecord]] = []
        self._active: list[ChildRecord] = []
        self._width = width
        self._count = 0

    def add(self, child: ChildRecord) -> None:
        """Queue a child; its flag `queued` must stay set until its turn, or it is skipped."""
        child.queued = True
        self._count += 1
        heapq.heappush(self._waiting, (child.order, self._count, child))

    def advance(self, now: float, launch: Callable[[ChildRecord], None]) -> bool:
        """Start those whose turn it is; returns True when nothing waits or starts any more."""
        self._active = [child for child in self._active if child.state is State.STARTING]
        while self._waiting and now >= self.due and len(self._active) < self._width:
            child = heapq.heappop(self._waiting)[2]
            if child.queued:
                launch(child)
                self._active.append(child)
        return not self._active and not self._waiting


class ChildTimers:
    """One timer for each child, in a heap; setting it again makes the old entry stale."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, ChildRecord]] = []
        self._count = 0

    def set(self, child: ChildRecord, at: float) -> None:
        """Set the timer of a child to a time of Trio's clock; math.inf disarms it."""
        child.timer = at
        if at < math.inf:
            self._count += 1
            heapq.heappush(self._heap, (at, self._count, child))

    def next(self) -> float:
        """Return when the next timer is due; math.inf if there is none."""
        while self._heap and self._stale():
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def pop_due(self, now: float) -> ChildRecord | None:
        """Return a child whose timer is due and disarm it; None if there is none."""
        if self.next() > now:
            return None
        child = heapq.heappop(self._heap)[2]
        child.timer = math.inf
        return child

    def _stale(self) -> bool:
        at, _, child = self._heap[0]
        return child.timer != at or child.removed
