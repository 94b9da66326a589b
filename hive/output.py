"""Lines for standard output and error that stop nobody, whoever reads them slowly or not at all.

A terminal that is gone, a full disk, a pipe that nobody reads: what cannot be written is lost, and
the process goes on.
"""

import os
import queue
import select
import signal
import sys
import threading
from typing import TextIO

CAPACITY = 1000
FLUSH_S = 1.0


class Output:
    """Writes lines to a descriptor in their order, in a thread; never blocks, never raises.

    Call it with a line. While `capacity` lines wait, further ones are lost; how many is written as
    soon as possible.
    """

    def __init__(self, descriptor: int, *, capacity: int = CAPACITY) -> None:
        self._descriptor = descriptor
        self._queue: queue.Queue[str] = queue.Queue(capacity)
        self._thread: threading.Thread | None = None
        self._lost = 0  # ever, written by callers alone
        self._told = 0  # of these, written by the thread alone

    def __call__(self, line: str) -> None:
        """Let the thread write one line, without its line break."""
        try:
            if self._thread is None:
                thread = threading.Thread(target=self._work, name="output", daemon=True)
                thread.start()
                self._thread = thread
            self._queue.put_nowait(line)
        except (queue.Full, RuntimeError):  # or no thread can be started
            self._lost += 1

    def flush(self, timeout: float = FLUSH_S) -> bool:
        """Block until all is written or lost, at most `timeout` seconds; returns whether it is."""
        with self._queue.all_tasks_done:
            return self._queue.all_tasks_done.wait_for(
                lambda: self._queue.unfinished_tasks == 0, timeout
            )

    def _work(self) -> None:
        while True:
            line = self._queue.get()
            lost = self._lost - self._told
            self._told += lost
            self._write(f"({lost} lines lost: nobody read them)\n{line}\n" if lost else f"{line}\n")
            self._queue.task_done()

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # somebody who shares it has made it non-blocking
                select.select([], [self._descriptor], [], 1.0)
            except OSError:
                return


def open_standard_streams() -> None:
    """Open descriptors 0, 1 and 2 to /dev/null if they are closed.

    Otherwise the next files that are opened would become standard input, output or error.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free: just this one
            os.set_inheritable(descriptor, True)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def finish_output(code: int, fault: OSError | None = None) -> int:
    """Flush standard output and error, and return the exit code for a process that meant `code`.

    `fault` is what writing has raised already, if anything. A reader that has gone, as in
    `hive events | head`, makes it the code of SIGPIPE, as shells have it. What else keeps standard
    output from being written is told on standard error, and makes a `code` of 0 into 1.
    """
    if sys.__stdout__ is not None:
        try:
            sys.__stdout__.flush()
        except OSError as error:
            fault = error
            _forget(sys.__stdout__)
    if isinstance(fault, BrokenPipeError):
        code = 128 + signal.SIGPIPE
    elif fault is not None:
        code = code or 1
    if sys.__stderr__ is not None:
        try:
            if fault is not None and not isinstance(fault, BrokenPipeError):
                print(f"hive: the output is lost: {fault.strerror}", file=sys.__stderr__)
            sys.__stderr__.flush()
        except OSError:
            _forget(sys.__stderr__)
    return code


def _forget(stream: TextIO) -> None:
    """Python would try again at its end, and complain."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
