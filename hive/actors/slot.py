"""A one-shot slot: settled once with a value or an error, awaited by anyone."""

from __future__ import annotations

from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Slot(Generic[T]):
    """Settled at most once; a late settlement is counted in `late` and harms nobody."""

    __slots__ = ("_error", "_event", "_value", "late", "settled")

    def __init__(self) -> None:
        self.late = 0
        self.settled = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self._event: trio.Event | None = None  # made by the first who waits

    def settle(self, value: T) -> bool:
        """Store the value; False (and counted) if the slot was settled before."""
        return self._settle(value, None)

    def fail(self, error: BaseException) -> bool:
        """Store an error that `wait` will raise; False (and counted) if settled before."""
        return self._settle(None, error)

    async def wait(self) -> T:
        """The value; raises the error with which the slot was failed."""
        if self.settled:
            await trio.lowlevel.checkpoint()
        else:
            if self._event is None:
                self._event = trio.Event()
            await self._event.wait()
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # settled with a T

    def _settle(self, value: T | None, error: BaseException | None) -> bool:
        if self.settled:
            self.late += 1
            return False
        self.settled = True
        self._value, self._error = value, error
        if self._event is not None:
            self._event.set()
        return True
