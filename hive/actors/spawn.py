"""Actors without a supervisor, whose parent is a nursery."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import trio

from hive.actors.errors import ActorDied
from hive.actors.exits import Exit, ExitKind
from hive.actors.host import ActorHost, ChildListener, judge, split_cancelled
from hive.actors.ref import ActorRef
from hive.actors.slot import Slot


async def spawn(nursery: trio.Nursery, host: ActorHost) -> ActorRef:
    """Start an actor in a nursery, and return its reference when its init() is done.

    Raises what init() raised, and ActorDied when it was cancelled before that. Later, a crash of
    the actor cancels the nursery as that of any task does, and a clean end does not. Nobody
    restarts it, and a park is an end. Cancelling spawn() undoes the start.
    """
    alone = _Alone()
    nursery.start_soon(_run, host, alone, name=f"actor {host.ref.name}")
    try:
        await alone.started.wait()
    except trio.Cancelled:
        alone.scope.cancel("its starter gave up")
        raise
    return host.ref


class _Alone:
    """The parent of an actor that has no supervisor."""

    __slots__ = ("incarnation", "listener", "scope", "started")

    def __init__(self) -> None:
        self.incarnation = 1
        self.started: Slot[None] = Slot()
        self.scope = trio.CancelScope()
        self.listener: ChildListener | None = None

    @property
    def stop_requested(self) -> trio.Event:
        raise NotImplementedError("the listener is told instead")

    def ready(self, value: object = None) -> None:
        self.started.settle(None)

    def tick(self) -> None:
        pass

    def on_report(self, messages: Callable[[], Iterable[object]]) -> None:
        pass

    def on_suspend(self, halt: Callable[[bool], None]) -> None:
        pass

    def attach(self, listener: ChildListener) -> bool:
        self.listener = listener
        return True

    def unpark(self) -> None:
        pass


async def _run(host: ActorHost, alone: _Alone) -> None:
    if alone.scope.cancel_called:
        return
    error: BaseException | None = None
    how = Exit(ExitKind.SHUTDOWN, "its starter gave up")
    try:
        with alone.scope:
            how = Exit(ExitKind.SHUTDOWN, await host.run_incarnation(alone))
    except BaseException as caught:  # noqa: ASYNC103 - a Cancelled in it is raised at the end
        error, how = caught, judge(caught)
    if alone.listener is not None:
        alone.listener.end(how, None)
    if error is None:
        return
    cancelled, others = split_cancelled(error)
    told = alone.started.fail(others or ActorDied(host.ref.name, how))
    if others is not None and not told and not how.clean:
        raise error
    if cancelled is not None:
        raise cancelled
