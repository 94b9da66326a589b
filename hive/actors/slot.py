"""A one-shot slot: settled once with a value or an error, awaited by anyone."""

from __future__ import annotations

from typing import Generic, TypeVar

import trio
from attrs import define, field

T = TypeVar("T")


@define(eq=False)
class Slot(Generic[T]):
    """Settled at most once; a late settlement is counted in `late` and harms nobody."""

    late: int = field(default=0, init=False)
    _event: trio.Event = field(factory=trio.Event, init=False)
    _value: T | None = field(default=None, init=False)
    _error: BaseException | None = field(default=None, init=False)

    @property
    def settled(self) -> bool:
        """True once there is a value or an error."""
        return self._event.is_set()

    def settle(self, value: T) -> bool:
        """Store the value; False (and counted) if the slot was settled before."""
        return self._settle(value, None)

    def fail(self, error: BaseException) -> bool:
        """Store an error that `wait` will raise; False (and counted) if settled before."""
        return self._settle(None, error)

    async def wait(self) -> T:
        """The value; raises the error with which the slot was failed."""
        await self._event.wait()
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # settled with a T

    def _settle(self, value: T | None, error: BaseException | None) -> bool:
        if self._event.is_set():
            self.late += 1
            return False
        self._value, self._error = value, error
        self._event.set()
        return True
