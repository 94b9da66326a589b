"""The dynamic supervisor: its set comes from elsewhere, and it stops concurrently."""

import pytest
import trio

from hive.supervisors import (
    Backoff,
    DynamicSupervisor,
    MaxChildren,
    Restart,
    RestartIntensity,
    SpecError,
    State,
    supervisor_spec,
)


def loader(script, names, **spec):
    async def load():
        await trio.lowlevel.checkpoint()
        return [script.child(name, **spec) for name in names]

    return load


async def test_load_gives_the_children_of_each_incarnation(script) -> None:
    names = ["a", "b"]
    dynamic = DynamicSupervisor(
        loader(script, names), intensity=RestartIntensity(intensity=0, period=1)
    )
    async with script.running(script.make([supervisor_spec("agents", dynamic)])):
        assert await dynamic.start_child(script.child("c")) == "value of c"
        names.append("c")
        await script.end("a", ValueError())  # escalates: the supervisor is restarted
        assert [info.id for info in dynamic.which_children()] == ["a", "b", "c"]
        assert dynamic.count_children().active == 3


async def test_a_slow_or_failing_child_keeps_no_other_from_starting(script) -> None:
    script.fail_init["bad"] = OSError("no")
    dynamic = DynamicSupervisor(
        loader(script, ["bad", "good"], backoff=Backoff(initial=5)), random=lambda: 0.0
    )
    async with script.running(dynamic), trio.open_nursery() as nursery:
        nursery.start_soon(dynamic.start_child, script.child("slow", init=50))
        await trio.sleep(1)
        await dynamic.start_child(script.child("quick"))
        states = {info.id: info.state for info in dynamic.which_children()}
        assert states == {
            "bad": State.BACKOFF,
            "good": State.RUNNING,
            "slow": State.STARTING,
            "quick": State.RUNNING,
        }
        nursery.cancel_scope.cancel()


async def test_it_is_ready_before_its_children(script) -> None:
    dynamic = DynamicSupervisor(loader(script, ["a"], init=100))
    top = script.make([supervisor_spec("agents", dynamic), script.child("next")])
    async with script.running(top):
        assert set(script.take()) == {"+a", "+next"}
        assert top.snapshot().state is State.RUNNING
        assert dynamic.which_children()[0].state is State.STARTING


@pytest.mark.parametrize(("width", "seconds"), [(1, 20), (4, 6), (32, 2)])
async def test_stop_is_concurrent_and_bounded(script, width, seconds) -> None:
    names = [f"c{i}" for i in range(10)]
    dynamic = DynamicSupervisor(loader(script, names, stop=2), width=width)
    async with script.running(dynamic):
        await trio.sleep(1)
        began = trio.current_time()
    assert trio.current_time() - began == pytest.approx(seconds)


async def test_what_ended_or_was_terminated_is_forgotten(script) -> None:
    async with script.running(DynamicSupervisor()) as dynamic:
        await dynamic.start_child(script.child("t", restart=Restart.TRANSIENT))
        await dynamic.start_child(script.child("p"))
        await script.end("t")
        await dynamic.terminate_child("p")
        assert dynamic.which_children() == ()
        await dynamic.start_child(script.child("p"))  # the id is free again


async def test_max_children_counts_those_in_back_off(script) -> None:
    async with script.running(DynamicSupervisor(max_children=2)) as dynamic:
        await dynamic.start_child(script.child("a", backoff=Backoff(initial=9)))
        await dynamic.start_child(script.child("b"))
        await script.end("a", ValueError())
        with pytest.raises(MaxChildren, match="allowed: 2"):
            await dynamic.start_child(script.child("c"))


async def test_bad_specs_from_load_fail_the_start(script) -> None:
    with pytest.raises(SpecError, match="occurs twice"):
        async with script.running(DynamicSupervisor(loader(script, ["a", "a"]))):
            pass


@pytest.mark.parametrize("flags", [{"width": 0}, {"max_children": 0}])
def test_flags(flags) -> None:
    with pytest.raises(SpecError, match="1 or more"):
        DynamicSupervisor(**flags)
