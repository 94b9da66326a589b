"""Parking: a decision with a wake time, not a failure."""

import pytest
import trio
import trio.testing

from hive.supervisors import (
    Backoff,
    Exited,
    Park,
    Parked,
    Restarting,
    RestartIntensity,
    State,
    Strategy,
    Supervisor,
    Unparked,
    supervisor_spec,
)

NEVER = RestartIntensity(intensity=0, period=1)


async def test_a_raised_park_sleeps_until_its_time_and_costs_no_intensity(script) -> None:
    top = script.make([script.child("a"), script.child("b")], intensity=NEVER)
    async with script.running(top):
        script.take()
        await script.end("a", Park("limited", 100.0))
        a, b = top.snapshot().children
        assert (a.state, a.reason, a.until) == (State.PARKED, "limited", 100.0)
        assert (b.state, a.restarts) == (State.RUNNING, 0)
        assert script.of(Exited)[0].exit.clean
        await trio.sleep(99.9)
        assert script.take() == ["-a"]
        await trio.sleep(0.2)
        assert script.take() == ["+a"]
        assert [event.by for event in script.of(Unparked)] == ["time"]
        assert not script.of(Restarting)


async def test_jitter_spreads_the_wake_times_only_to_later(script) -> None:
    chances = iter([0.0, 0.5, 0.99])
    top = Supervisor(
        [script.child(n, park_jitter=10.0) for n in "abc"], random=lambda: next(chances)
    )
    async with script.running(top):
        for name in "abc":
            await script.end(name, Park("limited", 100.0))
        assert [child.until for child in top.snapshot().children] == [100.0, 105.0, 109.9]


async def test_a_park_without_time_waits_for_the_operator(script) -> None:
    top = script.make([script.child("a")])
    async with script.running(top):
        await script.end("a", Park("needs login"))
        await trio.sleep(80_000)
        assert top.snapshot().children[0].state is State.PARKED
        top.unpark("a")
        await trio.testing.wait_all_tasks_blocked()
        assert top.snapshot().children[0].state is State.RUNNING
        top.unpark("a")  # nothing to do for one that runs
        assert top.which_children()[0].incarnation == 2


async def test_a_park_inside_of_a_group_counts_a_crash_beside_it_does_not(script) -> None:
    top = script.make([script.child("a"), script.child("b")])
    async with script.running(top):
        await script.end("a", ExceptionGroup("g", [Park("one", 50.0), Park("two", 60.0)]))
        assert top.snapshot().children[0].until == 60.0
        await script.end("b", ExceptionGroup("g", [Park("one", 50.0), ValueError()]))
        assert top.snapshot().children[1].state is State.RUNNING


async def test_a_park_during_init_counts_as_started(script) -> None:
    script.fail_init["b"] = Park("limited", 20.0)
    top = script.make([script.child(n) for n in "abc"], intensity=NEVER)
    async with script.running(top):
        assert [c.state for c in top.snapshot().children] == [
            State.RUNNING,
            State.PARKED,
            State.RUNNING,
        ]
        assert top.snapshot().state is State.RUNNING
        script.fail_init["d"] = Park("also", None)
        assert await top.start_child(script.child("d")) is None
        del script.fail_init["b"]
        await trio.sleep(20.1)
        assert top.snapshot().children[1].state is State.RUNNING


async def test_a_wake_time_in_the_past_makes_no_loop_without_delay(script) -> None:
    script.fail_init["a"] = Park("limited", -5.0)
    top = script.make([script.child("a", backoff=Backoff(min=1, jitter=0))])
    async with script.running(top):
        await trio.sleep(100)
        assert 3 <= script.take().count("+a") <= 10


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_a_park_touches_no_sibling_and_a_group_restart_leaves_it_parked(
    script, strategy
) -> None:
    top = script.make([script.child(n) for n in "abc"], strategy=strategy)
    async with script.running(top):
        script.take()
        await script.end("b", Park("limited", 100.0))
        assert script.take() == ["-b"]
        await script.end("a", ValueError())
        assert "+b" not in script.take()
        assert top.snapshot().children[1].state is State.PARKED
        await trio.sleep(101)
        assert script.take() == ["+b"]


async def test_the_operator_parks_unparks_and_kicks(script) -> None:
    top = script.make([script.child("a", stop=2)])
    async with script.running(top):
        top.park("a", "held", until=trio.current_time() + 50)
        assert top.snapshot().children[0].state is State.STOPPING
        await trio.sleep(3)
        assert top.snapshot().children[0].state is State.PARKED
        top.park("a", "held longer", until=None)
        await trio.sleep(100)
        assert [event.reason for event in script.of(Parked)] == ["held", "held longer"]
        top.kick("a")
        await trio.testing.wait_all_tasks_blocked()
        assert top.snapshot().children[0].state is State.RUNNING
        top.park("a", "held", None)
        top.unpark("a")  # while it stops: it only restarts
        await trio.sleep(3)
        assert top.snapshot().children[0].state is State.RUNNING


async def test_an_exceeded_intensity_parks_for_growing_times_instead_of_escalating(script) -> None:
    park = Backoff(initial=10, min=20, factor=2, max=60, jitter=0, healthy_after=1e6)
    fast = Backoff(min=0.01, max=0.01)
    spec = script.child("a", backoff=fast, park_on_exhausted=True, park_backoff=park)
    top = script.make([spec, script.child("b")], intensity=RestartIntensity(intensity=1, period=60))
    async with script.running(top):
        for rest in (10, 20, 40, 60, 60):
            await script.end("a", ValueError("no"))
            await trio.sleep(0.2)
            await script.end("a", ValueError("no"))
            a, b = top.snapshot().children
            assert (a.state, b.state, b.incarnation) == (State.PARKED, State.RUNNING, 1)
            assert a.until - a.since == pytest.approx(rest)
            assert a.reason == "restart intensity exceeded: crashed: ValueError: no"
            await trio.sleep(rest + 0.1)
        await script.end("b", ValueError())  # its own first failure, not the last of a's
        assert top.snapshot().state is State.RUNNING


async def test_a_supervisor_that_gave_up_is_parked_at_once(script) -> None:
    inner = script.make([script.child("w")], intensity=NEVER)
    top = script.make([supervisor_spec("in", inner, park_on_exhausted=True)], intensity=NEVER)
    async with script.running(top):
        await script.end("w", ValueError("boom"))
        (node,) = top.snapshot().children
        assert node.state is State.PARKED
        assert node.until == pytest.approx(30)
        await trio.sleep(30.1)
        assert top.snapshot().children[0].state is State.RUNNING


async def test_a_first_start_that_fails_does_not_end_others_if_it_may_park(script) -> None:
    script.fail_init["w"] = OSError("port in use")
    web = script.make([script.child("w")])
    intensity = RestartIntensity(intensity=2, period=60)
    top = script.make(
        [supervisor_spec("web", web, park_on_exhausted=True), script.child("z")],
        intensity=intensity,
    )
    async with script.running(top):
        await trio.sleep(5)
        web_node, z = top.snapshot().children
        assert (web_node.state, z.state) == (State.PARKED, State.RUNNING)
        assert script.take().count("+w") == 3


async def test_stop_while_parked_or_in_back_off(script) -> None:
    top = script.make(
        [script.child("a"), script.child("b", backoff=Backoff(initial=9)), script.child("c")]
    )
    async with script.running(top):
        await script.end("a", Park("limited"))
        await script.end("b", ValueError())
        assert (top.count_children().parked, top.count_children().backoff) == (1, 1)
    assert trio.current_time() == pytest.approx(0, abs=0.01)
    assert [child.state for child in top.snapshot().children] == [State.STOPPED] * 3
