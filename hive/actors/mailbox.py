"""A bounded mailbox with two lanes: system messages overtake a backlog of user messages."""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import Generic, TypeVar

import trio
from attrs import frozen

from hive.actors.errors import MailboxClosed, MailboxFull

T = TypeVar("T")

YIELD_EVERY = 64  # messages taken in a row without letting other tasks run


class Full(StrEnum):
    """What happens to a message for a full mailbox."""

    WAIT = "wait"  # put() waits; put_nowait() refuses
    REFUSE = "refuse"
    DROP_OLDEST = "drop_oldest"


@frozen
class MailboxStatistics:
    """Lengths now, and since the beginning: the longest user lane, dropped, refused."""

    user: int
    system: int
    waiting_senders: int
    high_water: int
    dropped: int
    refused: int


class Mailbox(Generic[T]):
    """One receiver, many senders. `capacity` bounds the user lane.

    The system lane has no bound of its own: its messages answer to something that is bounded
    elsewhere (a monitor, a timer, a caller that waits), and losing one would break a promise.
    """

    def __init__(self, capacity: int = 256, full: Full = Full.WAIT) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}; allowed: 1 or more")
        self._capacity = capacity
        self._full = full
        self._user: deque[T] = deque()
        self._system: deque[T] = deque()
        self._receiver = trio.lowlevel.ParkingLot()
        self._senders = trio.lowlevel.ParkingLot()
        self._closed = False
        self._streak = 0
        self._high_water = self._dropped = self._refused = 0

    async def put(self, item: T) -> T | None:
        """Put into the user lane, by the policy; returns the message that was dropped for it.

        Raises MailboxFull (policy REFUSE) and MailboxClosed, also while it waits for room.
        """
        await trio.lowlevel.checkpoint()
        while self._full is Full.WAIT and not self._closed and len(self._user) >= self._capacity:
            await self._senders.park()
        return self.put_nowait(item)

    def put_nowait(self, item: T) -> T | None:
        """As put(), but raises MailboxFull instead of waiting."""
        self._check_open()
        dropped, length = None, len(self._user)
        if length >= self._capacity:
            if self._full is not Full.DROP_OLDEST:
                self._refused += 1
                raise MailboxFull(f"the mailbox holds {length} messages, its capacity")
            dropped = self._user.popleft()
            self._dropped += 1
        elif length >= self._high_water:
            self._high_water = length + 1
        self._user.append(item)
        if self._receiver:
            self._receiver.unpark()
        return dropped

    def put_system(self, item: T) -> None:
        """Put into the system lane; raises MailboxClosed."""
        self._check_open()
        self._system.append(item)
        if self._receiver:
            self._receiver.unpark()

    async def get(self, *, system_only: bool = False) -> T:
        """The next message, system lane first; yields at least at every 64th."""
        self._streak += 1
        if self._streak >= YIELD_EVERY:
            self._streak = 0
            await trio.lowlevel.checkpoint()
        while True:
            if self._system:
                return self._system.popleft()
            if self._user and not system_only:
                if self._senders:
                    self._senders.unpark()
                return self._user.popleft()
            self._streak = 0
            await self._receiver.park()

    def close(self) -> None:
        """Take nothing more, and drop what waits."""
        self._closed = True
        self._user.clear()
        self._system.clear()
        self._senders.unpark_all()

    def statistics(self) -> MailboxStatistics:
        """Numbers for a probe."""
        return MailboxStatistics(
            len(self._user),
            len(self._system),
            len(self._senders),
            self._high_water,
            self._dropped,
            self._refused,
        )

    def _check_open(self) -> None:
        if self._closed:
            raise MailboxClosed("the mailbox is closed: its actor has ended")
