"""Actors without a supervisor: a nursery is their parent."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import trio

from hive.actors.errors import ActorDied
from hive.actors.exits import Exit, ExitKind
from hive.actors.host import ActorHost, Tenant, judge, split_cancelled
from hive.actors.ref import ActorRef
from hive.actors.slot import Slot


async def spawn(nursery: trio.Nursery, host: ActorHost) -> ActorRef:
    """Start the actor in the nursery; returns when its init() is done.

    Raises what init() raised, in a group. Later a crash ends the nursery, a clean end does not;
    nobody restarts it, and a park is an end. Cancelling spawn() undoes it.
    """
    alone = _Alone(host.ref.name)
    nursery.start_soon(_run, host, alone, name=f"actor {host.ref.name}")
    try:
        await alone.started.wait()
    except trio.Cancelled:
        alone.scope.cancel("its starter gave up")
        raise
    return host.ref


class _Alone:
    """The parent of an actor that has no supervisor."""

    __slots__ = ("incarnation", "path", "scope", "started", "stop_requested", "tenant")

    def __init__(self, name: str) -> None:
        self.path = name
        self.incarnation = 1
        self.scope = trio.CancelScope()
        self.started: Slot[None] = Slot()
        self.tenant: Tenant | None = None
        self.stop_requested = trio.Event()  # never set: the tenant is told

    def ready(self, value: object = None) -> None:
        self.started.settle(None)

    def tick(self) -> None:
        pass

    def on_report(self, messages: Callable[[], Iterable[object]]) -> None:
        pass

    def on_suspend(self, halt: Callable[[bool], None]) -> None:
        pass

    def attach(self, tenant: Tenant) -> bool:
        self.tenant = tenant
        return True

    def unpark(self) -> None:
        pass


async def _run(host: ActorHost, alone: _Alone) -> None:
    error: BaseException | None = None
    try:
        with alone.scope:
            await host.run(alone)
    except BaseException as caught:
        error = caught
    how = judge(error) if error is not None else Exit(ExitKind.SHUTDOWN, "its starter gave up")
    if alone.tenant is not None:
        alone.tenant.end(how, None)
    if error is None:
        return
    cancelled, others = split_cancelled(error)
    told = alone.started.fail(others or ActorDied(host.ref.name, how))
    if others is not None and not told and not how.clean:
        raise error
    if cancelled is not None:
        raise cancelled
