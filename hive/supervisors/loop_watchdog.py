"""The loop watchdog: a thread that notices when the Trio loop is blocked, and writes all stacks.

A task cannot report its own starvation, so the watch is a thread; it survives anything but code
that holds the interpreter lock.
"""

from __future__ import annotations

import faulthandler
import sys
import threading
import time
from typing import TextIO

import trio
from attrs import frozen

from hive.supervisors.context import Context


@frozen
class LoopStatistics:
    """How often the loop was blocked beyond the limit, and the longest block in seconds."""

    blocks: int
    longest: float


class LoopWatchdog:
    """Writes the stacks of all threads when the Trio loop is blocked. Use `run` as a child's start.

    `limit` is for how many seconds the loop may be blocked, by the real clock. A longer block is
    reported at `limit`, then each time that it has doubled, and once more when it is over. `file`
    needs a file descriptor; None: stderr. A process that was stopped as a whole is no blocked loop.
    """

    def __init__(self, limit: float = 2.0, *, file: TextIO | None = None) -> None:
        self._limit = limit
        self._file = file
        self._beat = 0.0
        self._blocks = 0
        self._longest = 0.0
        self._done = threading.Event()

    def statistics(self) -> LoopStatistics:
        """Return how often the loop was blocked so far, and how long at most."""
        return LoopStatistics(self._blocks, self._longest)

    async def run(self, ctx: Context) -> None:
        """Show the thread that the loop runs, until cancelled."""
        self._done = done = threading.Event()
        self._beat = time.monotonic()
        thread = threading.Thread(target=self._watch, args=(done,), name="loop-watchdog")
        thread.daemon = True
        thread.start()
        ctx.ready()
        try:
            while True:
                self._beat = time.monotonic()
                ctx.tick()
                await trio.sleep(self._limit / 4)
        finally:
            done.set()
            thread.join()

    def _watch(self, done: threading.Event) -> None:
        report_at = self._limit
        looked = time.monotonic()
        while not done.wait(self._limit / 4):
            late = time.monotonic() - looked - self._limit / 4
            looked += late + self._limit / 4
            if late >= self._limit:
                self._beat += late  # the whole process stood still: the loop is not to blame
            # Sleeping for limit/4 is the loop's own doing, not a block.
            blocked = time.monotonic() - self._beat - self._limit / 4
            if blocked >= report_at:
                if report_at == self._limit:
                    self._blocks += 1
                self._dump(f"the Trio loop is blocked for {blocked:.1f} s")
                report_at = blocked * 2
            elif blocked < self._limit and report_at > self._limit:
                self._say("the Trio loop runs again")
                report_at = self._limit
            if blocked >= self._limit:
                self._longest = max(self._longest, blocked)

    def _say(self, text: str) -> None:
        try:
            print(f"loop watchdog: {text}", file=self._file or sys.stderr, flush=True)
        except (OSError, ValueError):
            pass  # a closed file must not end the watch

    def _dump(self, text: str) -> None:
        self._say(text)
        try:
            faulthandler.dump_traceback(self._file or sys.stderr, all_threads=True)
        except (OSError, ValueError, RuntimeError, AttributeError):
            self._say("no stacks: the file has no descriptor")
