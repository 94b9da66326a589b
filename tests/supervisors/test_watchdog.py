"""The watchdog over a child's ticks, on the virtual clock."""

import math

import pytest
import trio

from hive.supervisors import ChildSpec, Context, Exited, State


async def test_silence_restarts_the_child_with_its_reason(script) -> None:
    top = script.make([script.child("a", watchdog=5.0)])
    async with script.running(top):
        await trio.sleep(4.9)
        assert script.take() == ["+a"]
        await trio.sleep(0.2)
        assert script.take() == ["-a", "+a"]
        (exited,) = script.of(Exited)
        assert not exited.exit.clean
        assert "watchdog: no tick for 5.0 s" in exited.line()
        script.contexts["a"].extend(math.inf)


async def test_ticks_keep_it_alive_and_are_shown(script) -> None:
    async def ticking(ctx: Context) -> None:
        ctx.ready()
        for _ in range(10):
            ctx.tick()
            await trio.sleep(4)
        await trio.sleep(1000)

    top = script.make([ChildSpec("a", ticking, watchdog=5.0)])
    async with script.running(top):
        await trio.sleep(40.5)
        (child,) = top.snapshot().children
        assert (child.incarnation, child.last_tick) == (1, pytest.approx(36))
        await trio.sleep(0.6)
        assert top.which_children()[0].incarnation == 2


async def test_extend_holds_until_the_next_tick(script) -> None:
    top = script.make([script.child("a", watchdog=5.0)])
    async with script.running(top):
        ctx = script.contexts["a"]
        ctx.extend(50)
        await trio.sleep(49)
        assert top.which_children()[0].incarnation == 1
        ctx.tick()
        await trio.sleep(5.1)
        assert top.which_children()[0].incarnation == 2


async def test_it_is_armed_at_ready_not_before(script) -> None:
    top = script.make([script.child("a", init=100, watchdog=5.0)])
    async with script.running(top):
        await trio.sleep(99)
        assert top.which_children()[0].state is State.STARTING


async def test_a_hung_child_is_not_drained(script) -> None:
    top = script.make([script.child("a", watchdog=5.0, drain=1000)])
    async with script.running(top):
        await trio.sleep(5.1)
        assert top.which_children()[0].incarnation == 2
        await top.terminate_child("a")


async def test_a_late_ready_of_an_old_incarnation_is_ignored(script) -> None:
    top = script.make([script.child("a", ready=False, init_timeout=math.inf)])
    async with script.running(top):
        old = script.contexts["a"]
        top.kick("a")
        await trio.testing.wait_all_tasks_blocked()
        assert script.contexts["a"] is not old
        old.ready()
        assert top.which_children()[0].state is State.STARTING
        script.contexts["a"].ready()
        assert top.which_children()[0].state is State.RUNNING
