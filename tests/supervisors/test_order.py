"""Start in order, stop in reverse, each with its own grace; the case that nurseries fail."""

import math

import pytest
import trio
import trio.testing

from hive.actors import leaves
from hive.supervisors import (
    ChildSpec,
    Context,
    Exited,
    NotStopped,
    Overdue,
    StartFailed,
    State,
    Supervisor,
    supervisor_spec,
)


async def test_each_starts_when_the_one_before_is_ready(script) -> None:
    top = script.make([script.child("a", init=5), script.child("b", init=5), script.child("c")])
    async with script.running(top):
        assert script.take() == ["+a"]
        assert [info.state for info in top.which_children()] == [
            State.STARTING,
            State.STOPPED,
            State.STOPPED,
        ]
        await trio.sleep(5.1)
        assert script.take() == ["+b"]
        assert top.snapshot().state is State.STARTING
        await trio.sleep(5)
        assert script.take() == ["+c"]
        assert top.snapshot().state is State.RUNNING


async def test_stop_is_in_reverse_one_at_a_time(script) -> None:
    names = [f"c{i}" for i in range(8)]
    top = script.make([script.child(name, stop=1) for name in names])
    async with script.running(top):
        script.take()
        began = trio.current_time()
    assert script.take() == [f"-{name}" for name in reversed(names)]
    assert trio.current_time() - began == pytest.approx(8)


async def test_cancelling_the_runner_is_the_ordered_stop(script) -> None:
    inner = script.make([script.child("b", stop=1), script.child("c", stop=1)])
    top = script.make(
        [script.child("a", stop=1), supervisor_spec("in", inner), script.child("d", stop=1)]
    )
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(top.run, Context("top"))
            await trio.testing.wait_all_tasks_blocked()
            script.take()
            scope.cancel()
    assert scope.cancelled_caught
    assert script.take() == ["-d", "-c", "-b", "-a"]


async def test_cancel_in_the_middle_of_the_start(script) -> None:
    top = script.make([script.child("a"), script.child("b", init=1000), script.child("c")])
    with trio.move_on_after(1) as scope:
        await top.run(Context("top"))
    assert scope.cancelled_caught
    assert script.take() == ["+a", "+b", "-b", "-a"]
    assert trio.current_time() == pytest.approx(1)


async def test_drain_sets_stop_requested_and_waits_before_the_cancel(script) -> None:
    drained: list[float] = []

    async def polite(ctx: Context) -> None:
        ctx.ready()
        await ctx.stop_requested.wait()
        await trio.sleep(3)
        drained.append(trio.current_time())

    top = script.make([script.child("a", drain=10), script.child("b")])
    async with script.running(top):
        await top.start_child(ChildSpec("p", polite, drain=10))
        await top.terminate_child("p")
        assert drained == [pytest.approx(3)]
        began = trio.current_time()
        await top.terminate_child("a")  # ignores the request, is cancelled after the drain
        assert trio.current_time() - began == pytest.approx(10)
        assert script.contexts["a"].stop_requested.is_set()


async def test_a_child_that_does_not_end_is_overdue_and_passed_over(script) -> None:
    top = script.make([script.child("a"), script.child("b", stop=60, grace=2), script.child("c")])
    async with script.running(top):
        script.take()
    assert script.take() == ["-c", "-a", "-b"]
    (overdue,) = script.of(Overdue)
    assert (overdue.path, overdue.at) == ("top/b", pytest.approx(2))
    assert trio.current_time() == pytest.approx(60)


async def test_infinite_grace_is_never_overdue(script) -> None:
    top = script.make([script.child("a"), script.child("b", stop=1e6, grace=math.inf)])
    async with script.running(top):
        script.take()
    assert script.take() == ["-b", "-a"]
    assert not script.of(Overdue)


async def test_brutal_stop_gives_an_obedient_child_its_chance(script) -> None:
    top = script.make([script.child("a", grace=0), script.child("b", grace=0, stop=5)])
    async with script.running(top):
        pass
    assert [event.path for event in script.of(Overdue)] == ["top/b"]


async def test_no_second_incarnation_while_the_first_is_overdue(script) -> None:
    top = script.make([script.child("a", stop=60, grace=1, watchdog=5)])
    async with script.running(top):
        await trio.sleep(30)
        (info,) = top.which_children()
        assert (info.state, info.incarnation) == (State.OVERDUE, 1)
        assert top.count_children().overdue == 1
        top.kick("a")  # remembered until it is really gone
        await trio.sleep(30)
        assert top.which_children()[0].state is State.OVERDUE
        await trio.sleep(6)
        assert script.take() == ["+a", "-a", "+a"]
        assert top.which_children()[0].incarnation == 2
        script.contexts["a"].extend(math.inf)


async def test_terminate_tells_that_the_child_is_overdue(script) -> None:
    top = script.make([script.child("a", stop=60, grace=1)])
    async with script.running(top):
        with pytest.raises(NotStopped, match="top/a"):
            await top.terminate_child("a")
        await trio.sleep(60)
        assert top.which_children()[0].state is State.STOPPED


async def test_a_child_that_swallows_cancelled_keeps_nobody_waiting(script) -> None:
    async def deaf(ctx: Context) -> None:
        ctx.ready()
        until = trio.current_time() + 100
        while trio.current_time() < until:
            with trio.CancelScope(shield=True):
                await trio.sleep(until - trio.current_time())

    inner = script.make([ChildSpec("deaf", deaf, grace=1), script.child("b")])
    top = script.make([script.child("a"), supervisor_spec("in", inner), script.child("c")])
    async with script.running(top):
        script.take()
        began = trio.current_time()
    assert script.take() == ["-c", "-b", "-a"]
    overdue = script.of(Overdue)
    assert [event.path for event in overdue] == ["top/in/deaf", "top/in"]
    assert [event.at - began for event in overdue] == [pytest.approx(1), pytest.approx(1)]


async def test_a_crash_in_the_cleanup_is_seen(script) -> None:
    async def careless(ctx: Context) -> None:
        ctx.ready()
        try:
            await trio.sleep_forever()
        finally:
            raise RuntimeError("cleanup broke")

    async with script.running(script.make([ChildSpec("a", careless)])):
        pass
    (exited,) = script.of(Exited)
    assert isinstance(exited, Exited)
    assert not exited.exit.clean
    assert "cleanup broke" in exited.line()


async def test_the_cancellation_itself_is_no_part_of_an_end(script) -> None:
    async def parent_of_a_careless_one(ctx: Context) -> None:
        async def careless() -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise RuntimeError("cleanup broke")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(careless)
            ctx.ready()
            await trio.sleep_forever()

    async with script.running(
        script.make([ChildSpec("careless", parent_of_a_careless_one), script.child("obedient")])
    ):
        pass
    obedient, careless = [event.exit for event in script.of(Exited)]
    assert (obedient.clean, obedient.error) == (True, None)
    assert [type(leaf) for leaf in leaves(careless.error)] == [RuntimeError]


async def test_start_failure_stops_the_started_ones_and_names_the_cause(script) -> None:
    script.fail_init["c"] = OSError("no room")
    top = script.make([script.child("a"), script.child("b"), script.child("c"), script.child("d")])
    with pytest.raises(StartFailed, match="top/c did not start: OSError: no room") as caught:
        async with script.running(top):
            pass
    assert isinstance(caught.value.__cause__, OSError)
    assert script.take() == ["+a", "+b", "+c", "-c", "-b", "-a"]
    assert top.snapshot().state is State.FAILED
    assert top.snapshot().children[2].state is State.FAILED


async def test_init_timeout_fails_the_start(script) -> None:
    top = script.make([script.child("a"), script.child("b", ready=False, init_timeout=7)])
    with pytest.raises(StartFailed, match="not ready after 7 s"):
        async with script.running(top):
            await trio.sleep(8)
    assert script.take() == ["+a", "+b", "-b", "-a"]


async def test_extend_lengthens_the_init(script) -> None:
    top = script.make([script.child("a", init=20, init_timeout=7)])
    async with script.running(top):
        script.contexts["a"].extend(25)
        await trio.sleep(21)
        assert top.snapshot().state is State.RUNNING


async def test_a_permanent_child_that_returns_before_ready_did_not_start(script) -> None:
    async def forgot(ctx: Context) -> None:
        await trio.lowlevel.checkpoint()

    with pytest.raises(StartFailed, match=r"ended before it called ready\(\)"):
        async with script.running(script.make([ChildSpec("a", forgot)])):
            pass


async def test_running_twice_is_refused(script) -> None:
    async with script.running(script.make([])) as top:
        with pytest.raises(RuntimeError, match="runs already"):
            await top.run(Context("other"))


async def test_an_empty_supervisor_starts_and_stops(script) -> None:
    async with script.running(Supervisor()) as top:
        assert top.snapshot().state is State.RUNNING
    assert top.snapshot().state is State.STOPPED
