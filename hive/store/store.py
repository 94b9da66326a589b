"""The store: durable writes by one thread, reads by a few, both awaited from Trio."""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import apsw
import outcome
import trio

from hive.store.connections import Readers
from hive.store.errors import (
    StoreClosed,
    StoreError,
    StoreMoved,
    StoreReplaced,
    StoreStuck,
    explain,
)
from hive.store.schema import migrate
from hive.store.writer import Job, Result, Writer
from hive.supervisors import Context
from hive.uncontended import acquire

T = TypeVar("T")
log = logging.getLogger(__name__)

MAX_WAITING = 4_096
TICK_S = 5.0
STOP_S = 10.0


class Store:
    """One SQLite file, with one thread that writes and a pool of connections that read.

    It is open while `run`, the start of a supervised child, runs, or while `opened` is entered.
    """

    def __init__(self, path: Path, migrations: Sequence[str]) -> None:
        self._path = path
        self._migrations = tuple(migrations)
        self._opened = False
        self._slots = trio.Semaphore(MAX_WAITING)
        self._writer: Writer | None = None
        self._readers: Readers | None = None
        self.trouble: StoreError | None = None
        """Why the disk did not take a write; None when it has taken one since."""
        self._turned = trio.Event()

    async def run(self, ctx: Context) -> None:
        """Open, serve until cancelled, finish what is queued, close.

        A tick says that the writer has come round. Raises StoreError (SchemaTooNew, …) when it
        cannot open, StoreStuck when a thread does not end, StoreClosed when the writer died,
        StoreMoved and StoreReplaced when its files were taken away.
        """
        async with self.opened() as ended:
            ctx.ready(self)
            while True:
                with trio.move_on_after(TICK_S):
                    await ended.wait()
                    return  # through `opened`, which says why
                try:
                    await self.write(_nothing)
                except StoreError:  # said to those who write; the thread itself came round
                    pass
                ctx.tick()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[trio.Event]:
        """Keep the store open inside the block; the event is set when the writer has ended."""
        ended = trio.Event()

        def on_exit() -> None:
            if self._writer is writer:  # not that of a later life, if this one was stuck
                self._writer = None
            ended.set()

        token = trio.lowlevel.current_trio_token()
        writer = await trio.to_thread.run_sync(self._open_writer, on_exit, token)
        try:
            self._readers = await trio.to_thread.run_sync(Readers, self._path)
            self._writer = writer
            yield ended
        finally:
            self._writer = None
            readers, self._readers = self._readers, None
            if readers is not None:
                readers.close()
            writer.stop()
            with trio.move_on_after(STOP_S, shield=True):
                await ended.wait()
                if readers is not None and isinstance(writer.failure, StoreMoved):
                    await readers.ended()  # they still use the index of the removed log
            if not ended.is_set():
                raise StoreStuck(
                    f"{self._path}: the writer did not end within {STOP_S:.0f} s; "
                    f"it is busy with {writer.busy_with()}"
                )
            if isinstance(writer.failure, StoreMoved | StoreReplaced):
                raise writer.failure
            if writer.failure is not None:
                raise StoreClosed(f"{self._path}: the writer died") from writer.failure

    async def write(
        self, fn: Callable[[apsw.Connection], T], then: Callable[[T], None] | None = None
    ) -> T:
        """Run `fn` in the writer's thread and return its result once it is committed.

        `fn` may be run twice (when a neighbour's failure undid it) and must not end the
        transaction. What it raises undoes it alone and is raised here. `then` is called with the
        result in Trio's thread right after the commit, in the order of the commits, before the
        caller goes on.
        Cancellation: while waiting for a place in the queue nothing has happened; afterwards the
        write and `then` are done all the same, only the result is lost.
        Raises StoreFull, StoreError, StoreClosed.
        """
        await acquire(self._slots)
        if self._writer is None:
            self._slots.release()
            raise _closed()
        job = Job(fn, then, trio.lowlevel.current_task())
        self._writer.submit(job)

        def abandon(_: object) -> trio.lowlevel.Abort:
            job.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        result: T = await trio.lowlevel.wait_task_rescheduled(abandon)
        return result

    async def read(self, fn: Callable[[apsw.Connection], T]) -> T:
        """Run `fn` in a worker thread on a connection that cannot write, in one snapshot.

        Raises StoreError, StoreClosed and what `fn` raises.
        """
        if self._readers is None:
            await trio.lowlevel.checkpoint()
            raise _closed()
        return await self._readers.read(fn)

    async def trouble_turns(self) -> None:
        """Wait until `trouble` begins or ends."""
        await self._turned.wait()

    def _open_writer(self, on_exit: Callable[[], None], token: trio.lowlevel.TrioToken) -> Writer:
        try:
            writer = Writer(
                self._path,
                not self._opened,  # a later life never begins with an empty one
                lambda c: migrate(c, self._migrations),
                self._deliver,
                on_exit,
                token,
            )
            self._opened = True
            return writer
        except (apsw.Error, OSError) as error:
            raise StoreError(f"{self._path} cannot be opened: {explain(error)}") from error

    def _deliver(self, done: list[tuple[Job, Result]]) -> None:
        if self._writer is not None:
            self._look_at(self._writer.trouble)
        for job, result in done:
            self._slots.release()
            if job.then is not None and isinstance(result, outcome.Value):
                result = outcome.capture(_after, job.then, result.value)
            if job.task is not None:
                trio.lowlevel.reschedule(job.task, result)
            elif isinstance(result, outcome.Error):
                log.error("%s failed, its caller had gone", job.name(), exc_info=result.error)

    def _look_at(self, trouble: StoreError | None) -> None:
        turned = (trouble is None) is not (self.trouble is None)
        self.trouble = trouble
        if turned:
            self._turned.set()
            self._turned = trio.Event()


@asynccontextmanager
async def open_store(path: Path, migrations: Sequence[str]) -> AsyncIterator[Store]:
    """Make a store that is open inside the block, without a supervisor. Raises StoreError."""
    store = Store(path, migrations)
    async with store.opened():
        yield store


def _after(then: Callable[[Any], None], value: T) -> T:
    then(value)
    return value


def _nothing(_: apsw.Connection) -> None:
    """A write that only shows that the writer comes round."""


def _closed() -> StoreClosed:
    return StoreClosed("the store is not open: the hive is starting or stopping; try again")
