"""The control loop of one incarnation of a supervisor.

It never awaits a child: it waits for the next transition or timer and lets the machine go on. So
no child, however slow, keeps the others or the operator waiting.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from hive.supervisors.child import Child
from hive.supervisors.context import Context
from hive.supervisors.machine import Machine
from hive.supervisors.runner import host


async def serve(machine: Machine, ctx: Context) -> None:
    """Start the children, keep them, stop them in order; raises what made the supervisor give up.

    Being cancelled, and ctx.stop_requested, begin the ordered stop.
    """
    watch = trio.CancelScope()
    try:
        async with trio.open_nursery() as nursery:
            machine.begin(_spawner(nursery))
            nursery.start_soon(_watch_stop, machine, ctx, watch)
            with trio.CancelScope(shield=True):
                await _loop(machine)
            watch.cancel("the supervisor ended")
    finally:
        if machine.failure is not None:
            raise machine.failure


async def _loop(machine: Machine) -> None:
    try:
        while True:
            machine.lives.tell()
            if machine.advance():
                return
            with trio.move_on_at(machine.next_due()):
                await machine.lives.changed.wait()
            machine.lives.changed = trio.Event()
            machine.fire_timers()
    except BaseException:
        machine.abandon()  # a defect of ours: shielded children would live for ever
        raise
    finally:
        machine.lives.tell()


async def _watch_stop(machine: Machine, ctx: Context, scope: trio.CancelScope) -> None:
    # The loop is shielded; a cancellation from outside arrives here and becomes an ordered stop.
    with scope:
        try:
            await ctx.stop_requested.wait()
        finally:
            machine.shut_down("asked to stop")


def _spawner(
    nursery: trio.Nursery,
) -> Callable[[Child, Context, trio.CancelScope, Callable[[BaseException | None], None]], None]:
    def spawn(
        child: Child,
        ctx: Context,
        scope: trio.CancelScope,
        on_exit: Callable[[BaseException | None], None],
    ) -> None:
        name = f"{child.path}#{child.incarnation}"
        nursery.start_soon(host, child.spec.start, ctx, scope, on_exit, name=name)

    return spawn
