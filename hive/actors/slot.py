"""A one-shot slot: settled once with a value or an error, and awaited by any number of tasks."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import trio

T = TypeVar("T")


class Slot(Generic[T]):
    """A place for one value or one error, which whoever waits then gets.

    It is settled at most once; a later settlement is counted in `late` and harms nobody.
    """

    __slots__ = ("_error", "_value", "_waiting", "late", "settled")

    def __init__(self) -> None:
        self.late = 0
        self.settled = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self._waiting: list[trio.lowlevel.Task] | None = None  # made by the first of them

    def settle(self, value: T) -> bool:
        """Store the value and wake all who wait; returns False if it was settled before."""
        return self._settle(value, None)

    def fail(self, error: BaseException) -> bool:
        """Store an error that wait() raises, and wake all; returns False if settled before."""
        return self._settle(None, error)

    async def wait(self) -> T:
        """Wait for the value. Raises the error with which the slot was failed."""
        if self.settled:
            await trio.lowlevel.checkpoint()
        else:
            await self._park()
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # settled with a T

    def _settle(self, value: T | None, error: BaseException | None) -> bool:
        if self.settled:
            self.late += 1
            return False
        self.settled = True
        self._value, self._error = value, error
        for task in self._waiting or ():
            trio.lowlevel.reschedule(task)
        self._waiting = None
        return True

    async def _park(self) -> None:
        task = trio.lowlevel.current_task()
        waiting = self._waiting = self._waiting or []
        waiting.append(task)

        def give_up(_: Any) -> trio.lowlevel.Abort:
            waiting.remove(task)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(give_up)
