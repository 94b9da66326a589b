"""The one thread that writes: group commit, with a savepoint for each job.

The thread takes whatever is queued and commits it as one transaction, so that one fsync serves all
who wait; a job that fails is undone alone.
"""

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import outcome
import trio
from attrs import define, frozen

from hive.store.connections import open_writer, roll_back
from hive.store.database_files import DatabaseFiles
from hive.store.errors import StoreClosed, StoreError, StoreFull, explain

MAX_BATCH = 512

Result = outcome.Outcome[Any]


@define(eq=False)
class Job:
    """One write: `fn` runs in the thread, `then` in Trio's after the commit, `task` is woken."""

    fn: Callable[[apsw.Connection], Any]
    then: Callable[[Any], None] | None
    task: trio.lowlevel.Task | None

    def name(self) -> str:
        """Return the name of the function that the job runs, for reports."""
        return f"{self.fn.__module__}.{getattr(self.fn, '__qualname__', self.fn)}"


@frozen
class JoinedWrite:
    """A write for somebody else's transaction: committed with what that writes, or not at all.

    `then` gets what `write` returned, in Trio's thread right after the commit, before anybody
    learns of the rest.
    """

    write: Callable[[apsw.Connection], Any]
    then: Callable[[Any], None]


class Writer:
    """Owns the read-write connection and its thread. The file is made if `create`.

    `deliver` (each finished batch) and `on_exit` (the thread has ended) are called in Trio's
    thread. `failure` is what killed the thread, if anything did; `trouble` is why the disk did not
    take a write, None when it has taken one since.
    """

    def __init__(
        self,
        path: Path,
        create: bool,
        prepare: Callable[[apsw.Connection], None],
        deliver: Callable[[list[tuple[Job, Result]]], None],
        on_exit: Callable[[], None],
        token: trio.lowlevel.TrioToken,
    ) -> None:
        self._path = path
        self._connection = open_writer(path, create=create)
        try:
            prepare(self._connection)
            self._files = DatabaseFiles(path)
        except BaseException:
            self._connection.close()
            raise
        self._deliver, self._on_exit, self._token = deliver, on_exit, token
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._batch: dict[Job, Result | None] = {}
        self._doing: Job | None = None
        self._since = 0.0
        self._faulty = False
        self.failure: Exception | None = None
        self.trouble: StoreError | None = None
        # A daemon thread: one that is stuck in the kernel must not keep the process alive.
        threading.Thread(target=self._main, name="hive-store-writer", daemon=True).start()

    def submit(self, job: Job) -> None:
        """Queue a job; the caller bounds how many wait."""
        self._queue.put(job)

    def stop(self) -> None:
        """Let the thread end when it has done what is queued now."""
        self._queue.put(None)

    def busy_with(self) -> str:
        """Return what the thread does now and for how long, for reports."""
        if not self._batch:
            return "no job"
        doing = self._doing
        what = "a commit" if doing is None else doing.name()
        return f"{what}, in a batch that began {time.monotonic() - self._since:.1f} s ago"

    def _main(self) -> None:
        try:
            while self._take_batch():
                self._since = time.monotonic()
                if self._faulty:
                    self._open_anew()
                self._commit(list(self._batch))
                lost = self._keep_files()
                self._hand_over()
                if lost is not None:
                    raise lost
        except Exception as error:
            self.failure = error
        finally:
            with suppress(Exception):
                self._connection.close()
                self._files.close()
            self._hand_over()
            self._soon(self._exit)

    def _take_batch(self) -> bool:
        """Wait for jobs and take all there are; False means stop."""
        job = self._queue.get()
        if job is None:
            return False
        self._batch[job] = None
        self._take_more()
        return True

    def _take_more(self) -> list[Job]:
        """The jobs that have come by now; they join the batch."""
        more: list[Job] = []
        while len(self._batch) < MAX_BATCH:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self.stop()  # again, for after this batch
                break
            self._batch[job] = None
            more.append(job)
        return more

    def _commit(self, batch: list[Job]) -> None:
        """Run and commit these jobs and those that come meanwhile; each has its result then."""
        connection = self._connection
        results: list[Result] = []
        changes = connection.total_changes()
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in batch:
                results.append(self._run(job))
                if not connection.in_transaction:
                    break
                if job is batch[-1]:
                    batch += self._take_more()
            else:
                self._doing = None
                connection.execute("COMMIT")
                if connection.total_changes() > changes and not any(map(_is_trouble, results)):
                    self.trouble = None
                self._batch.update(zip(batch, results, strict=True))
                return
        except Exception as error:
            fault = self._explained(error)
            if not roll_back(connection):
                raise  # it is of no more use; the next writer opens a new one
            self._batch.update((job, outcome.Error(fault)) for job in batch)
            return
        # SQLite undid the whole transaction because of this last job (no space, I/O error). Its
        # neighbours are not to suffer for it: each gets a transaction of its own.
        self._batch[job] = results[-1]
        for neighbour in batch:
            if neighbour is not job:
                self._commit([neighbour])

    def _run(self, job: Job) -> Result:
        """Run one job in its savepoint; whether the transaction still stands is to be checked."""
        connection = self._connection
        self._doing = job
        connection.execute("SAVEPOINT job")
        result: Result
        try:
            result = outcome.Value(job.fn(connection))
            if not connection.in_transaction:
                raise RuntimeError(f"{job.name()} ended the transaction, which is the store's")
        except Exception as error:
            result = outcome.Error(self._explained(error))
            if not roll_back(connection, "ROLLBACK TO job"):
                roll_back(connection)
        if connection.in_transaction:
            connection.execute("RELEASE job")
        return result

    def _explained(self, error: Exception) -> Exception:
        fault = explain(error, self._connection)
        self._faulty |= fault is not error and not isinstance(fault, StoreFull)
        if isinstance(fault, StoreError):
            self.trouble = fault
        return fault

    def _open_anew(self) -> None:
        """After a fault of the file, which may be over: a connection can outlast its use."""
        if self._files.lost():
            return
        try:
            connection = open_writer(self._path, create=False)
        except (apsw.Error, OSError):
            return  # the jobs will be told so by the one that we have
        self._connection.close()
        self._connection, self._faulty = connection, False

    def _keep_files(self) -> StoreError | None:
        """See to it that what was just committed is in files that stay, before anybody is told.

        Why the store must end, or None. What cannot be brought to safety now is tried again with
        the next batch.
        """
        if not self._files.lost():
            return None
        try:
            return self._files.mend(self._connection)
        except (apsw.Error, OSError) as error:
            fault = StoreError(
                f"files of {self._path} were removed or replaced while the hive ran, and what it "
                f"holds cannot be written anew ({error}): this may be stored, or not; do not stop "
                "the hive, mend the folder or its disk: it is tried again every few seconds"
            )
            self._batch.update((job, outcome.Error(fault)) for job in self._batch)
            return None

    def _hand_over(self) -> None:
        done = [(job, result or self._died()) for job, result in self._batch.items()]
        self._batch = {}
        self._soon(lambda: self._deliver(done))

    def _exit(self) -> None:
        """In Trio's thread, when this one has ended: nobody may wait for it any more."""
        self._on_exit()
        left = []
        while not self._queue.empty():
            if (job := self._queue.get()) is not None:
                left.append((job, self._died()))
        self._deliver(left)

    def _died(self) -> Result:
        return outcome.Error(StoreClosed(f"the store's writer has died: {self.failure!r}"))

    def _soon(self, fn: Callable[[], None]) -> None:
        try:
            self._token.run_sync_soon(fn)
        except trio.RunFinishedError:  # nobody is left who could want to know
            pass


def _is_trouble(result: Result) -> bool:
    return isinstance(result, outcome.Error) and isinstance(result.error, StoreError)
