"""A store in memory without threads, for tests with a virtual clock; the SQL is the real one."""

from collections.abc import Callable
from typing import Any, TypeVar

import apsw
import trio

from hive.store import MIGRATIONS
from hive.store.schema import migrate

T = TypeVar("T")


class MemoryStore:
    """As Store: a write is one transaction, done also when its caller is cancelled meanwhile."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.connection = apsw.Connection(":memory:")
        migrate(self.connection, MIGRATIONS)
        self.latency = 0.0
        self.reads = self.writes = 0
        self.failing: Exception | None = None
        self._nursery = nursery

    async def read(self, fn: Callable[[apsw.Connection], T]) -> T:
        await trio.lowlevel.checkpoint()
        self.reads += 1
        if self.failing:
            raise self.failing
        return fn(self.connection)

    async def write(
        self, fn: Callable[[apsw.Connection], T], then: Callable[[T], None] | None = None
    ) -> T:
        await trio.lowlevel.checkpoint()
        self.writes += 1
        if self.failing:
            raise self.failing
        done, result = trio.Event(), []

        async def work() -> None:
            await trio.sleep(self.latency)
            try:
                with self.connection:
                    value = fn(self.connection)
            except Exception as error:
                result.append(error)
            else:
                result.append(value)
                if then is not None:
                    then(value)
            done.set()

        self._nursery.start_soon(work)
        await done.wait()
        if isinstance(result[0], Exception):
            raise result[0]
        found: Any = result[0]
        return found
