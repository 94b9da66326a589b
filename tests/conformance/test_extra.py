"""Cases of other supervisors, in our words; the name says whose: Elixir, suture, systemd."""

import math

import pytest
import trio
import trio.testing
from support.puppets import AT_ONCE, CRASH, GENEROUS, incarnations, settle, states

from hive.supervisors import (
    Backoff,
    ChildSpec,
    Context,
    Exited,
    ExitKind,
    MaxChildren,
    NotRunning,
    NotStopped,
    Park,
    Parked,
    Restart,
    Restarting,
    RestartIntensity,
    Shutdown,
    SpecError,
    State,
    StillRunning,
    Strategy,
    Unparked,
    check_specs,
    report,
    supervisor_spec,
)

SLOW = Backoff(initial=60, min=60, max=60, jitter=0)
EACH_STRATEGY = pytest.mark.parametrize("strategy", Strategy)


# -- Elixir ------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["starting", "restarting", "parked"])
async def test_elixir_max_children_counts_those_that_do_not_run_yet(puppets, what) -> None:
    top = puppets.dynamic(max_children=1)
    async with puppets.up(top), trio.open_nursery() as nursery:
        puppets.inits["a"] = "hang" if what == "starting" else ""
        nursery.start_soon(top.start_child, puppets.child("a", backoff=SLOW))
        await settle()
        if what != "starting":
            await puppets.end("a", CRASH if what == "restarting" else Park("rest"))
        assert top.count_children().specs == 1
        with pytest.raises(MaxChildren, match="allowed: 1"):
            await top.start_child(puppets.child("b"))
        await top.terminate_child("a") if what != "starting" else nursery.cancel_scope.cancel()


async def test_elixir_a_retry_that_succeeds_later(puppets) -> None:
    top = puppets.dynamic([puppets.child("a", backoff=SLOW)], intensity=GENEROUS)
    async with puppets.up(top):
        puppets.inits["a"] = OSError("not now")
        await puppets.end("a", CRASH)
        await trio.sleep(200)
        assert states(top) == {"a": State.BACKOFF}
        del puppets.inits["a"]
        await trio.sleep(60)
        assert states(top) == {"a": State.RUNNING}
        assert [event.failures for event in puppets.of(Restarting)] == [1, 2, 3, 4]


async def test_elixir_the_intensity_may_run_out_inside_of_the_retries(puppets) -> None:
    top = puppets.dynamic([puppets.child("a", backoff=AT_ONCE)], intensity=RestartIntensity(3, 60))
    async with puppets.up(top) as run:
        puppets.inits["a"] = OSError("not now")
        await puppets.end("a", CRASH)
        assert run.ended.is_set()
    assert puppets.log.count("+a") == 1 + 3
    assert run.error.__cause__ is puppets.inits["a"]


@EACH_STRATEGY
async def test_elixir_terminate_while_restarting(puppets, strategy) -> None:
    top = puppets.make([puppets.child("a", backoff=SLOW), puppets.child("b")], strategy=strategy)
    async with puppets.up(top):
        await puppets.end("a", CRASH)
        await top.terminate_child("a")
        await trio.sleep(600)
        assert states(top) == {"a": State.STOPPED, "b": State.RUNNING}


@pytest.mark.parametrize("grace", [-1, math.nan, "brutal_kill", None, True])
def test_elixir_invalid_shutdown_values(grace) -> None:
    with pytest.raises(SpecError, match="grace"):
        check_specs([ChildSpec("a", _ready_for_ever, grace=grace)])


@pytest.mark.parametrize("grace", [0, 5, math.inf])
@pytest.mark.parametrize(
    "error", [CRASH, Shutdown("x"), Park("x"), BaseExceptionGroup("g", [CRASH])]
)
async def test_elixir_every_kind_of_stop_by_every_end(puppets, grace, error) -> None:
    async def start(ctx: Context) -> None:
        ctx.ready()
        try:
            await trio.sleep_forever()
        finally:
            raise error

    top = puppets.make([puppets.child("first"), ChildSpec("a", start, grace=grace)])
    async with puppets.up(top) as run:
        pass
    assert run.error is None
    (exited,) = puppets.of(Exited, "a")
    assert exited.exit.kind is ExitKind.SHUTDOWN
    crashed = error is CRASH or isinstance(error, BaseExceptionGroup)
    assert exited.exit.clean == (not crashed)
    assert len(puppets.of(Exited, "first")) == 1


async def test_elixir_a_caller_that_gives_up_leaves_nothing_behind(puppets) -> None:
    top = puppets.make()
    async with puppets.up(top):
        with trio.move_on_after(1) as scope:
            await top.start_child(puppets.child("a", init=5))
        assert scope.cancelled_caught
        await trio.sleep(5)
        assert states(top) == {"a": State.RUNNING}
        await top.terminate_child("a")
        assert await top.restart_child("a") == "value of a"


async def test_elixir_the_chain_of_ancestors_is_in_the_report(puppets) -> None:
    inner = puppets.make([puppets.child("a")])
    top = puppets.make([supervisor_spec("in", inner)])
    async with puppets.up(top):
        await puppets.end("a", CRASH)
    assert "ancestors: top > in\n" in report(puppets.of(Exited, "a")[0])


# -- suture ------------------------------------------------------------------------------------


async def test_suture_failures_are_forgotten_after_health(puppets) -> None:
    steps = Backoff(initial=0, min=1, factor=2, max=8, jitter=0, healthy_after=100)
    top = puppets.make(
        [puppets.child("a", backoff=steps)], intensity=RestartIntensity(1000, 10, in_a_row=4)
    )
    async with puppets.up(top) as run:
        for _ in range(3):
            for _ in range(4):
                await puppets.end("a", CRASH)
                await trio.sleep(10)
            await trio.sleep(200)
        assert [event.failures for event in puppets.of(Restarting)] == [1, 2, 3, 4] * 3
        for _ in range(5):  # the fifth in a row is one too many, however slowly they come
            await puppets.end("a", CRASH)
            await trio.sleep(10)
        assert run.ended.is_set()
    assert "4 of one child in a row" in str(run.error)


async def test_suture_a_pause_is_entered_and_left_exactly_once(puppets) -> None:
    pause = Backoff(initial=100, min=100, max=100, jitter=0)
    child = puppets.child("a", park_on_exhausted=True, park_backoff=pause)
    top = puppets.make([child], intensity=RestartIntensity(2, 60))
    async with puppets.up(top):
        for _ in range(3):
            await puppets.end("a", CRASH)
        assert states(top) == {"a": State.PARKED}
        await trio.sleep(1000)
        assert states(top) == {"a": State.RUNNING}
        assert (len(puppets.of(Parked)), len(puppets.of(Unparked))) == (1, 1)


async def test_suture_serving_twice_is_refused(puppets) -> None:
    top = puppets.make()
    async with puppets.up(top) as run:
        with pytest.raises(RuntimeError, match="runs already"):
            await top.run(Context("elsewhere"))
        assert not run.ended.is_set()


async def test_suture_add_while_stopped(puppets) -> None:
    top = puppets.make()
    with pytest.raises(NotRunning):
        await top.start_child(puppets.child("a"))
    async with puppets.up(top):
        pass
    with pytest.raises(NotRunning):
        await top.start_child(puppets.child("a"))
    assert puppets.log == []


async def test_suture_remove_a_hung_service_and_stop_after_it(puppets) -> None:
    top = puppets.make([puppets.child("a", stop=100, grace=1), puppets.child("b")])
    async with puppets.up(top) as run:
        with pytest.raises(NotStopped):
            await top.terminate_child("a")
        with pytest.raises(StillRunning, match="overdue"):
            top.delete_child("a")
        await trio.sleep(100)
        top.delete_child("a")
        assert states(top) == {"b": State.RUNNING}
        top.stop()
        await run.ended.wait()
    assert run.error is None


async def test_suture_termination_of_a_tree_climbs_only_if_it_must(puppets) -> None:
    worker = puppets.child("worker", restart=Restart.TRANSIENT)
    inner = puppets.make([worker], intensity=RestartIntensity(0, 1))
    below = supervisor_spec("in", inner, restart=Restart.TEMPORARY)
    top = puppets.make([puppets.child("other")])
    with pytest.raises(BaseExceptionGroup) as caught:
        async with puppets.up(top) as run:
            await top.start_child(below)
            await puppets.end("worker", Shutdown("enough"))
            assert states(top) == {"other": State.RUNNING, "in": State.RUNNING}
            await inner.restart_child("worker")
            await puppets.end("worker", CRASH)
            assert states(top) == {"other": State.RUNNING}
            await top.start_child(below)
            await puppets.end("worker", SystemExit(3))
            assert run.ended.is_set()
    assert caught.group_contains(SystemExit)
    assert not any(puppets.living.values())


async def test_suture_a_foreign_cancelled_is_a_failure(puppets) -> None:
    kept: list[BaseException] = []
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as cancelled:
            kept.append(cancelled)

    async def thief(ctx: Context) -> None:
        ctx.ready()
        if kept:
            raise kept.pop()
        await trio.sleep_forever()

    top = puppets.make([ChildSpec("a", thief), puppets.child("b")])
    async with puppets.up(top):
        assert incarnations(top) == {"a": 2, "b": 1}
    assert puppets.of(Exited, "a")[0].exit.kind is ExitKind.CRASHED


# -- systemd -----------------------------------------------------------------------------------


async def _ready_for_ever(ctx: Context) -> None:
    ctx.ready()
    await trio.sleep_forever()


async def test_systemd_the_watchdog_is_armed_at_ready(puppets) -> None:
    async def slow(ctx: Context) -> None:
        await trio.sleep(100)
        await _ready_for_ever(ctx)

    top = puppets.make([ChildSpec("a", slow, watchdog=5, init_timeout=200)])
    async with puppets.up(top):
        await trio.sleep(104)
        assert states(top) == {"a": State.RUNNING}
        await trio.sleep(2)
        assert puppets.of(Exited)[0].exit.detail == "watchdog: no tick for 5 s"
        assert puppets.of(Exited)[0].at == pytest.approx(105)


async def test_systemd_an_extension_must_be_repeated(puppets) -> None:
    async def busy(ctx: Context) -> None:
        ctx.ready()
        ctx.extend(50)
        await trio.sleep(40)
        ctx.extend(50)
        await trio.sleep_forever()

    top = puppets.make([ChildSpec("a", busy, watchdog=5)])
    async with puppets.up(top):
        await trio.sleep(95)
        assert puppets.of(Exited)[0].at == pytest.approx(90)


async def test_systemd_starts_by_hand_are_not_counted_and_reset_the_failures(puppets) -> None:
    steps = Backoff(initial=10, min=20, max=80, jitter=0)
    top = puppets.make([puppets.child("a", backoff=steps)], intensity=RestartIntensity(2, 1e6))
    async with puppets.up(top) as run:
        for _ in range(10):
            await top.terminate_child("a")
            await top.restart_child("a")
            top.kick("a")
            await settle()
        await puppets.end("a", CRASH)
        top.kick("a")  # reset-failed, and start
        await settle()
        await puppets.end("a", CRASH)
        assert [event.failures for event in puppets.of(Restarting)] == [1, 1]
        assert not run.ended.is_set()
