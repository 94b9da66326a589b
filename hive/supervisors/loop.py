"""The tasks of one incarnation of a supervisor: its control loop, and one for each child.

The loop never awaits a child: it waits for the next transition or timer and lets the machine go
on. So no child, however slow, keeps the others or the operator waiting. A child runs in a scope
of its own, which only the loop cancels, with the guard outside of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType

import trio

from hive.actors.exits import fatal_part
from hive.supervisors.child import ChildRecord
from hive.supervisors.context import Context
from hive.supervisors.errors import cause_text
from hive.supervisors.incarnations import Spawn
from hive.supervisors.machine import Machine


async def serve(machine: Machine, ctx: Context) -> None:
    """Start the children, keep them, and stop them in order.

    Being cancelled, and ctx.stop_requested, begin the ordered stop. Raises what made the supervisor
    give up, when its children have ended.
    """
    watch = trio.CancelScope()
    try:
        async with trio.open_nursery() as nursery:
            machine.begin(_spawner(nursery))
            nursery.start_soon(_watch_stop, machine, ctx, watch)
            with trio.CancelScope(shield=True):
                await _keep(machine)
            watch.cancel("the supervisor ended")
    except BaseExceptionGroup as group:
        machine.failure = machine.failure or fatal_part(group)
        if machine.failure is None:
            raise
    finally:
        if machine.failure is not None:
            raise machine.failure


async def _keep(machine: Machine) -> None:
    """Run the loop; when it fails itself, stop in order, and if that fails too, out of order."""
    try:
        try:
            await _loop(machine)
        except (Exception, KeyboardInterrupt, SystemExit) as error:
            machine.shut_down(f"the supervisor failed: {cause_text(error)}", error)
            await _loop(machine)
    except BaseException:
        machine.abandon()  # shielded children would live for ever
        raise
    finally:
        machine.incarnations.deliver_events()


async def _loop(machine: Machine) -> None:
    while True:
        machine.incarnations.deliver_events()
        if machine.advance():
            return
        with trio.move_on_at(machine.next_due()):
            await machine.incarnations.changed.wait()
        machine.incarnations.changed = trio.Event()
        machine.fire_timers()


async def _watch_stop(machine: Machine, ctx: Context, scope: trio.CancelScope) -> None:
    # The loop is shielded; a cancellation from outside arrives here and becomes an ordered stop.
    with scope:
        try:
            await ctx.stop_requested.wait()
        finally:
            machine.shut_down("asked to stop")


def _spawner(nursery: trio.Nursery) -> Spawn:
    def spawn(
        child: ChildRecord,
        ctx: Context,
        scope: trio.CancelScope,
        on_exit: Callable[[BaseException | None], None],
    ) -> None:
        name = f"{child.path}#{child.incarnation}"
        nursery.start_soon(_host, child.spec.start, ctx, scope, on_exit, name=name)

    return spawn


async def _host(
    start: Callable[[Context], Awaitable[None]],
    ctx: Context,
    scope: trio.CancelScope,
    on_exit: Callable[[BaseException | None], None],
) -> None:
    """Run the child in `scope` (shielded: only its supervisor cancels it) and report its end.

    The guard is outside the scope, or a crash in the child's cleanup would go unseen.
    """
    guard = _Guard()
    with guard, scope:
        await start(ctx)
    on_exit(guard.error)


class _Guard:
    """Keeps whatever leaves the block.

    Also a Cancelled: out of a shielded scope of our own can only come a stray one from elsewhere,
    a failure of the child like any other, and nothing that an outer scope waits for.
    """

    error: BaseException | None = None

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> bool:
        self.error = error
        return not isinstance(error, GeneratorExit)  # the interpreter's own, on teardown
