"""What the daemon should know at once and may miss: never waits for it, never fails a turn."""

from collections import deque

import trio

from hive.wire import ApiSignal, Spending

CAPACITY = 32

Hint = ApiSignal | Spending


class Hints:
    """A bounded queue for one reader; when it is full the oldest go: newer ones say more."""

    def __init__(self) -> None:
        self._waiting: deque[Hint] = deque(maxlen=CAPACITY)
        self._filled = trio.Event()

    def put(self, hint: Hint) -> None:
        """Never blocks, never fails."""
        self._waiting.append(hint)
        self._filled.set()

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()

    async def take(self) -> Hint:
        """The oldest that waits, or the next one."""
        while not self._waiting:
            self._filled = trio.Event()
            await self._filled.wait()
        return self._waiting.popleft()
