"""The root of a tree: signals, the ordered stop, the report of who did not stop, the exit code."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import trio

from hive.actors.exits import Shutdown
from hive.supervisors.context import Context
from hive.supervisors.errors import IntensityExceeded
from hive.supervisors.events import (
    Escalated,
    Event,
    Sink,
    Stopping,
    ThreadSink,
    Unstopped,
    deliver,
    log_sink,
)
from hive.supervisors.snapshot import Snapshot, State
from hive.supervisors.spec import ChildSpec
from hive.supervisors.supervisor import Supervisor

CLEAN, ESCALATED = 0, 1


async def run_root(
    root: Supervisor | ChildSpec,
    *,
    name: str = "hive",
    signals: bool = True,
    on_signal: Callable[[signal.Signals, int], None] | None = None,
    stop: trio.Event | None = None,
    sink: Sink | None = None,
    hard_deadline: float = 120.0,
    hurried_grace: float = 1.0,
    exit_now: Callable[[int], object] = os._exit,
) -> int:
    """Run a tree until it is told to stop, and return the exit code.

    0: it was stopped; 1: it gave up, which an Escalated event has told.

    The first SIGTERM, SIGINT, SIGQUIT or SIGHUP, `stop`, or the cancellation of the caller begins
    the ordered stop; the second signal cuts every grace to `hurried_grace` seconds; the third ends
    the process. SIGHUP says that the terminal is gone, often twice: it hurries nobody, and means
    nothing to a process that was started with it ignored (nohup). `signals` False leaves signals
    alone; True is for the main thread only. `on_signal` is called with each signal and how many
    there were.

    `hard_deadline` seconds after the stop began, those that still live are reported as Unstopped
    and `exit_now(1)` ends the process. `sink` is called in the loop and must not block, see
    ThreadSink; the default logs a line for each event, from a thread.

    Raises KeyboardInterrupt or SystemExit of a child, bare, after the stop.
    """
    supervisor = root if isinstance(root, Supervisor) else Supervisor([root])
    default = ThreadSink(log_sink)  # whoever reads our log may be slow

    def leave(code: int) -> object:
        default.close(timeout=0.2)
        return exit_now(code)

    host = _Root(name, supervisor, sink or default, hard_deadline, hurried_grace, leave)
    async with trio.open_nursery() as nursery:
        helpers = trio.CancelScope(shield=True)  # they must live through the ordered stop
        nursery.start_soon(host.watch, helpers, signals, stop, on_signal)
        try:
            code = await host.run()
        finally:
            helpers.cancel("the root ended")
            default.close()
    if host.fatal is not None:
        raise host.fatal
    return code


class _Root:
    def __init__(
        self,
        name: str,
        supervisor: Supervisor,
        sink: Sink,
        hard_deadline: float,
        hurried_grace: float,
        exit_now: Callable[[int], object],
    ) -> None:
        self._supervisor = supervisor
        self._sink = sink
        self._hard_deadline = hard_deadline
        self._hurried_grace = hurried_grace
        self._exit_now = exit_now
        self._stopping = trio.Event()
        self._reported: tuple[str, ...] = ()
        self._name = name
        self.fatal: BaseException | None = None
        self._ctx = Context(name, on_event=self._emit, on_stuck=self._report_unstopped)

    async def run(self) -> int:
        try:
            await self._supervisor.run(self._ctx)
        except (KeyboardInterrupt, SystemExit) as fatal:
            self.fatal = fatal  # raised bare, outside of the nursery
        except Shutdown:
            pass
        except Exception as error:
            if not isinstance(error, IntensityExceeded):  # that one has announced itself
                self._emit(Escalated(self._name, trio.current_time(), error))
            return ESCALATED
        return CLEAN

    async def watch(
        self,
        scope: trio.CancelScope,
        signals: bool,
        stop: trio.Event | None,
        on_signal: Callable[[signal.Signals, int], None] | None,
    ) -> None:
        with scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch_deadline)
                if stop is not None:
                    nursery.start_soon(self._watch_event, stop)
                if signals:
                    nursery.start_soon(self._watch_signals, on_signal)

    async def _watch_event(self, stop: trio.Event) -> None:
        await stop.wait()
        self._ctx.stop_requested.set()

    async def _watch_signals(self, on_signal: Callable[[signal.Signals, int], None] | None) -> None:
        numbers = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            numbers.append(signal.SIGHUP)
        with trio.open_signal_receiver(*numbers) as received:
            count = 0
            async for number in received:
                if number == signal.SIGHUP and count:
                    continue
                count += 1
                if on_signal is not None:
                    on_signal(signal.Signals(number), count)
                if count == 1:
                    self._ctx.stop_requested.set()
                elif count == 2:
                    self._supervisor.hurry(self._hurried_grace)
                else:
                    self._report_unstopped()
                    self._exit_now(128 + number)

    async def _watch_deadline(self) -> None:
        await self._stopping.wait()
        await trio.sleep(self._hard_deadline)
        self._reported = ()
        self._report_unstopped()
        self._exit_now(ESCALATED)

    def _emit(self, event: Event) -> None:
        if isinstance(event, Stopping) and event.path == self._name:
            self._stopping.set()
        deliver(self._sink, event)

    def _report_unstopped(self) -> None:
        paths = tuple(unstopped_paths(self._supervisor.snapshot()))
        if paths and paths != self._reported:
            self._reported = paths
            self._emit(Unstopped(self._name, trio.current_time(), paths))


def unstopped_paths(tree: Snapshot) -> list[str]:
    """Return the paths of the deepest children that still live; empty if none does."""
    alive = (State.STARTING, State.RUNNING, State.STOPPING, State.OVERDUE)
    below = [path for child in tree.children for path in unstopped_paths(child)]
    return below or ([tree.path] if tree.state in alive else [])
