"""A bounded mailbox with two lanes: system messages overtake a backlog of user messages."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum
from typing import Any, Generic, TypeVar

import trio
from attrs import define, frozen

from hive.actors.errors import MailboxClosed, MailboxFull

T = TypeVar("T")

YIELD_EVERY = 64  # messages taken in a row without letting other tasks run


class Full(StrEnum):
    """The policy for a message that finds the mailbox full.

    WAIT: put() waits for room, put_nowait() raises MailboxFull. REFUSE: both raise it.
    DROP_OLDEST: the oldest user message is dropped for the new one.
    """

    WAIT = "wait"
    REFUSE = "refuse"
    DROP_OLDEST = "drop_oldest"


@frozen
class MailboxStatistics:
    """Numbers of a mailbox.

    Now: messages in the user and the system lane, and senders that wait for room. Since its
    beginning: the longest that the user lane was, and how many messages were dropped and refused.
    """

    user: int
    system: int
    waiting_senders: int
    high_water: int
    dropped: int
    refused: int


@define(eq=False)
class _Waiting(Generic[T]):
    item: T
    refusal: BaseException | None = None


class Mailbox(Generic[T]):
    """A queue with one receiver and many senders; `capacity` bounds the user lane.

    Raises ValueError when `capacity` is below 1.

    The system lane has no bound of its own: its messages answer to something that is bounded
    elsewhere (a monitor, a timer, a caller that waits), and losing one would break a promise.
    Senders that wait are served in their order, before anybody else: who takes a message puts the
    next waiting one in its place, so they wait only while the lane is full.
    """

    __slots__ = (
        "_closed",
        "_dropped",
        "_full",
        "_high_water",
        "_receiver",
        "_refused",
        "_senders",
        "_streak",
        "_system",
        "_user",
        "capacity",
    )

    def __init__(self, capacity: int = 256, full: Full = Full.WAIT) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}; allowed: 1 or more")
        self.capacity = capacity
        self._full = full
        self._user: deque[T] = deque()
        self._system: list[T] = []  # short, and empty it is a tenth of a deque
        self._receiver: trio.lowlevel.Task | None = None
        self._senders: dict[trio.lowlevel.Task, _Waiting[T]] = {}
        self._closed = False
        self._streak = 0
        self._high_water = self._dropped = self._refused = 0

    @property
    def must_wait(self) -> bool:
        """Whether put() would wait for room."""
        return len(self._user) >= self.capacity and self._full is Full.WAIT and not self._closed

    async def put(self, item: T) -> T | None:
        """Put a message into the user lane, by the policy for a full one.

        Returns the message that was dropped for it, or None. Raises MailboxFull by the policy
        REFUSE, and MailboxClosed, also while it waits for room.
        """
        await trio.lowlevel.checkpoint()
        if self.must_wait:
            await self.put_in_turn(item)
            return None
        return self.put_nowait(item)

    async def put_in_turn(self, item: T) -> None:
        """Wait for room behind all others that do; to be called only when `must_wait`.

        Raises MailboxClosed, or the refusal of keep().
        """
        task = trio.lowlevel.current_task()
        self._senders[task] = waiting = _Waiting(item)

        def give_up(_: Any) -> trio.lowlevel.Abort:
            del self._senders[task]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(give_up)
        if waiting.refusal is not None:
            raise waiting.refusal

    def put_nowait(self, item: T) -> T | None:
        """Put a message into the user lane as put() does, but never wait.

        Raises MailboxFull instead of waiting, and MailboxClosed.
        """
        if self._closed:
            raise MailboxClosed(_CLOSED)
        user = self._user
        dropped, length = None, len(user)
        if length >= self.capacity:
            if self._full is not Full.DROP_OLDEST:
                self._refused += 1
                raise MailboxFull(f"the mailbox holds {length} messages, its capacity")
            dropped = user.popleft()
            self._dropped += 1
        elif length >= self._high_water:
            self._high_water = length + 1
        user.append(item)
        if self._receiver is not None:
            trio.lowlevel.reschedule(self._receiver)
            self._receiver = None
        return dropped

    def put_system(self, item: T) -> None:
        """Put a message into the system lane, which overtakes the user lane.

        Raises MailboxClosed.
        """
        if self._closed:
            raise MailboxClosed(_CLOSED)
        self._system.append(item)
        if self._receiver is not None:
            self.wake()

    def put_back(self, items: Iterable[T]) -> None:
        """Put messages that were taken before in front of the user lane, even over its capacity."""
        self._user.extendleft(reversed(tuple(items)))
        if self._receiver is not None:
            self.wake()

    async def get(self, *, system_only: bool = False) -> T:
        """Wait for the next message, of the system lane first, and take it.

        Lets other tasks run at least once in YIELD_EVERY messages.
        """
        self._streak += 1
        if self._streak >= YIELD_EVERY:
            self._streak = 0
            await trio.lowlevel.checkpoint()
        while (item := self.take(system_only=system_only)) is None:
            await self.wait()
        return item

    def take(self, *, system_only: bool = False) -> T | None:
        """Take the next message if there is one, else return None; never waits."""
        if self._system:
            return self._system.pop(0)
        if not self._user or system_only:
            return None
        item = self._user.popleft()
        if self._senders:
            self._admit()
        return item

    def wait(self) -> Awaitable[object]:
        """Wait until something is put, or wake() is called; for the one receiver.

        It may also return when there is nothing: look again with take().
        """
        self._streak = 0
        self._receiver = trio.lowlevel.current_task()
        # Not a coroutine of its own: one frame less to pass at each switch.
        return trio.lowlevel.wait_task_rescheduled(self._give_up_waiting)  # noqa: ASYNC105

    def wake(self) -> None:
        """Let the receiver look again, if it waits."""
        if self._receiver is not None:
            trio.lowlevel.reschedule(self._receiver)
            self._receiver = None

    def keep(self, wanted: Callable[[T], bool], refusal: Callable[[], BaseException]) -> None:
        """Drop all system messages, and the user messages that are not wanted.

        Whoever waits for room with an unwanted message gets an exception from `refusal`, each a new
        one.
        """
        self._system.clear()
        self._user = deque(item for item in self._user if wanted(item))
        for task, waiting in tuple(self._senders.items()):
            if not wanted(waiting.item):
                waiting.refusal = refusal()
                del self._senders[task]
                trio.lowlevel.reschedule(task)
        while self._senders and len(self._user) < self.capacity:
            self._admit()

    def close(self) -> None:
        """Take nothing more, and drop what is there. Whoever waits for room gets MailboxClosed."""
        self._closed = True
        self.keep(lambda _: False, lambda: MailboxClosed(_CLOSED))

    def statistics(self) -> MailboxStatistics:
        """Return the numbers that a probe shows."""
        return MailboxStatistics(
            len(self._user),
            len(self._system),
            len(self._senders),
            self._high_water,
            self._dropped,
            self._refused,
        )

    def _admit(self) -> None:
        if len(self._user) >= self.capacity:
            return
        task = next(iter(self._senders))
        self._user.append(self._senders.pop(task).item)
        trio.lowlevel.reschedule(task)

    def _give_up_waiting(self, _: Any) -> trio.lowlevel.Abort:
        self._receiver = None
        return trio.lowlevel.Abort.SUCCEEDED


_CLOSED = "the mailbox is closed: its actor has ended"
