"""What an operator may ask: start, stop, restart, delete, kick; and what is seen."""

import time

import pytest
import trio
import trio.testing

from hive.supervisors import (
    AlreadyPresent,
    AutoShutdown,
    Backoff,
    ChildCounts,
    ChildSpec,
    Event,
    Exited,
    NotFound,
    NotRunning,
    Restart,
    Restarting,
    RestartIntensity,
    Shutdown,
    SpecError,
    Started,
    StartFailed,
    State,
    StillRunning,
    Strategy,
    Supervisor,
    check_specs,
    supervisor_spec,
)


async def test_the_life_of_a_child(script) -> None:
    async with script.running(script.make([])) as top:
        spec = script.child("a")
        assert await top.start_child(spec) == "value of a"
        with pytest.raises(AlreadyPresent, match="top/a exists and is running"):
            await top.start_child(spec)
        with pytest.raises(StillRunning, match="terminate_child"):
            top.delete_child("a")
        with pytest.raises(StillRunning):
            await top.restart_child("a")
        await top.terminate_child("a")
        await top.terminate_child("a")
        with pytest.raises(AlreadyPresent, match="is stopped"):
            await top.start_child(spec)
        assert await top.restart_child("a") == "value of a"
        await top.terminate_child("a")
        top.delete_child("a")
        assert top.which_children() == ()
        for name in ("a", "never"):
            with pytest.raises(NotFound, match=f"no child '{name}'"):
                await top.terminate_child(name)


async def test_a_failed_start_child_leaves_nothing(script) -> None:
    script.fail_init["a"] = OSError("no room")
    async with script.running(script.make([script.child("b")])) as top:
        with pytest.raises(StartFailed, match="no room"):
            await top.start_child(script.child("a"))
        assert [info.id for info in top.which_children()] == ["b"]
        await trio.sleep(100)
        assert script.take() == ["+b", "+a", "-a"]


async def test_a_failed_restart_child_keeps_the_spec(script) -> None:
    async with script.running(script.make([script.child("a")])) as top:
        await top.terminate_child("a")
        script.fail_init["a"] = OSError("no room")
        with pytest.raises(StartFailed):
            await top.restart_child("a")
        assert top.which_children()[0].state is State.FAILED
        del script.fail_init["a"]
        top.kick("a")
        await trio.testing.wait_all_tasks_blocked()
        assert top.which_children()[0].state is State.RUNNING


async def test_a_starter_that_gives_up_does_not_undo_the_start(script) -> None:
    async with script.running(script.make([])) as top:
        with trio.move_on_after(1) as scope:
            await top.start_child(script.child("a", init=5))
        assert scope.cancelled_caught
        await trio.sleep(5)
        assert top.which_children()[0].state is State.RUNNING


async def test_stopping_the_supervisor_tells_those_who_wait_for_a_start(script) -> None:
    failures: list[BaseException] = []

    async def ask(top: Supervisor, name: str) -> None:
        try:
            await top.start_child(script.child(name, init=100))
        except StartFailed as error:
            failures.append(error)

    top = script.make([], strategy=Strategy.REST_FOR_ONE)
    async with trio.open_nursery() as nursery, script.running(top):
        nursery.start_soon(ask, top, "a")
        nursery.start_soon(ask, top, "b")
        await trio.sleep(1)
    assert len(failures) == 2
    with pytest.raises(NotRunning):
        await top.start_child(script.child("c"))


async def test_kick_starts_now_from_every_state_and_costs_no_intensity(script) -> None:
    never = RestartIntensity(intensity=0, period=1)
    top = script.make([script.child("a", stop=1), script.child("b")], intensity=never)
    async with script.running(top):
        script.take()
        top.kick("a")
        await trio.sleep(1.1)
        assert script.take() == ["-a", "+a"]
        await top.terminate_child("a")
        script.take()
        top.kick("a")
        await trio.testing.wait_all_tasks_blocked()
        assert script.take() == ["+a"]


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_kick_ends_a_back_off(script, strategy) -> None:
    slow = Backoff(initial=1000, min=1000, max=1000)
    top = script.make([script.child("a", backoff=slow), script.child("b")], strategy=strategy)
    async with script.running(top):
        await script.end("a", ValueError())
        assert top.which_children()[0].state is State.BACKOFF
        top.kick("a")
        await trio.testing.wait_all_tasks_blocked()
        assert [info.state for info in top.which_children()] == [State.RUNNING] * 2


async def test_terminate_while_it_starts(script) -> None:
    async with script.running(script.make([])) as top, trio.open_nursery() as nursery:
        failed = trio.Event()

        async def ask() -> None:
            with pytest.raises(StartFailed, match="terminated"):
                await top.start_child(script.child("a", init=100))
            failed.set()

        nursery.start_soon(ask)
        await trio.sleep(1)
        await top.terminate_child("a")
        with trio.fail_after(1):
            await failed.wait()


async def test_terminated_temporary_children_are_forgotten(script) -> None:
    once = script.child("a", restart=Restart.TEMPORARY)
    async with script.running(script.make([once])) as top:
        await top.terminate_child("a")
        assert top.which_children() == ()


async def test_counts(script) -> None:
    inner = script.make([script.child("x")])
    top = script.make([script.child("a"), supervisor_spec("in", inner)])
    async with script.running(top):
        assert top.count_children() == ChildCounts(2, 2, 1, 1, 0, 0, 0)


async def test_snapshot_shows_the_whole_tree_also_before_and_after(script) -> None:
    inner = script.make([script.child("x")])
    top = script.make([script.child("a"), supervisor_spec("in", inner)])
    assert [node.state for node in top.snapshot().walk()] == [State.STOPPED] * 4
    async with script.running(top):
        script.contexts["x"].note("thinks")
        node = top.snapshot().find("top/in/x")
        assert node is not None
        assert (node.state, node.note, node.kind) == (State.RUNNING, "thinks", "worker")
        assert [n.path for n in top.snapshot().walk()] == ["top", "top/a", "top/in", "top/in/x"]
    assert {node.state for node in top.snapshot().walk()} == {State.STOPPED}


async def test_snapshot_of_1000_children_is_cheap(script) -> None:
    async with script.running(script.make([script.child(f"c{i}") for i in range(1000)])) as top:
        best = min(_timed(top) for _ in range(30))
    assert best < 0.010  # 2 ms on an idle machine; a guard, not a benchmark


def _timed(top: Supervisor) -> float:
    began = time.perf_counter()
    top.snapshot()
    return time.perf_counter() - began


@pytest.mark.parametrize(
    ("mode", "error", "ends"),
    [
        (AutoShutdown.ANY_SIGNIFICANT, None, True),
        (AutoShutdown.ANY_SIGNIFICANT, ValueError(), False),
        (AutoShutdown.ALL_SIGNIFICANT, None, False),
    ],
)
async def test_the_end_of_a_significant_child(script, mode, error, ends) -> None:
    both = [script.child(n, restart=Restart.TRANSIENT, significant=True) for n in "ab"]
    top = script.make([*both, script.child("c")], auto_shutdown=mode)
    seen = None
    try:
        async with script.running(top):
            await script.end("a", error)
            seen = top.snapshot().state
            if not ends:
                await script.end("a", None)
                await script.end("b", None)
    except Shutdown as caught:
        assert "significant child" in caught.detail
    assert seen is (State.FAILED if ends else State.RUNNING)
    assert script.take().count("-c") == 1


async def test_a_sink_that_raises_harms_nobody(script, caplog) -> None:
    def broken(event: object) -> None:
        raise RuntimeError("sink broke")

    top = Supervisor([script.child("a")], sink=broken)
    async with script.running(top):
        await script.end("a", ValueError())
        assert top.which_children()[0].incarnation == 2
    assert "sink broke" in caplog.text


async def test_a_sink_sees_what_it_is_told_and_may_ask(script) -> None:
    seen = []

    def sink(event: Event) -> None:
        (child,) = top.snapshot().children
        seen.append((type(event), child.state))
        if isinstance(event, Restarting):
            top.kick("a")

    slow = Backoff(initial=1000, min=1000, max=1000, jitter=0)
    top = Supervisor([script.child("a", backoff=slow)], sink=sink)
    async with script.running(top):
        await script.end("a", ValueError())
        assert top.which_children()[0].state is State.RUNNING
    assert seen[:4] == [
        (Started, State.RUNNING),
        (Exited, State.BACKOFF),
        (Restarting, State.BACKOFF),
        (Started, State.RUNNING),
    ]


async def _start(ctx: object) -> None: ...


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"id": ""}, "id must be a string of printable characters"),
        ({"id": "a\n"}, "id must be a string of printable characters"),
        ({"start": 3}, "start is 3; allowed: an async function"),
        ({"restart": "always"}, "restart is 'always'; allowed: a member of Restart"),
        ({"grace": -1}, "grace is -1; allowed: seconds, 0 or more, math.inf"),
        ({"grace": float("nan")}, "grace is nan"),
        ({"grace": True}, "grace is True"),
        ({"drain": float("inf")}, "drain is inf; allowed: seconds, 0 or more"),
        ({"init_timeout": 0}, "init_timeout is 0; allowed: seconds, above 0, math.inf"),
        ({"watchdog": 0}, "watchdog is 0"),
        ({"kind": "boss"}, "kind is 'boss'"),
        ({"backoff": Backoff(min=0)}, "backoff needs 0 < min"),
        ({"park_backoff": Backoff(jitter=2)}, "park_backoff.jitter is 2"),
        ({"significant": True}, "a permanent child cannot be significant"),
    ],
)
def test_each_fault_of_a_spec_is_named(fields, text) -> None:
    with pytest.raises(SpecError) as caught:
        check_specs([ChildSpec(**{"id": "a", "start": _start, **fields})])
    assert text in str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    specs = [ChildSpec("a", _start, grace=-1, drain=-1), ChildSpec("a", _start), "b"]
    with pytest.raises(SpecError) as caught:
        check_specs(specs)  # type: ignore[list-item]
    text = str(caught.value)
    for part in ("grace", "drain", "occurs twice", "child 2 is a str"):
        assert part in text


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ({"strategy": "all"}, "strategy is 'all'"),
        ({"intensity": RestartIntensity(intensity=-1)}, "intensity.intensity is -1"),
        ({"intensity": RestartIntensity(period=0)}, "intensity.period is 0"),
        ({"auto_shutdown": "any"}, "auto_shutdown is 'any'"),
    ],
)
def test_each_fault_of_the_flags_is_named(flags, text) -> None:
    with pytest.raises(SpecError, match=text.replace(".", r"\.")):
        Supervisor([], **flags)
