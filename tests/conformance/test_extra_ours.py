"""Cases of our own: park, retry-after, moments of a stop, jumps of the clock, sinks."""

import math
import random
import threading

import pytest
import trio
import trio.testing
from support.puppets import AT_ONCE, CRASH, GENEROUS, incarnations, settle, states

from hive.supervisors import (
    Backoff,
    ChildSpec,
    Context,
    DynamicSupervisor,
    Escalated,
    Event,
    Exited,
    Form,
    IntensityExceeded,
    Overdue,
    Park,
    Parked,
    RestartIntensity,
    RetryAfter,
    Started,
    State,
    Strategy,
    Supervisor,
    ThreadSink,
    Unparked,
    report,
    supervisor_spec,
)

SLOW = Backoff(initial=60, min=60, max=60, jitter=0)
EACH_STRATEGY = pytest.mark.parametrize("strategy", Strategy)


async def test_ours_park_with_a_deadline_and_early_unpark(puppets) -> None:
    top = puppets.make([puppets.child("a", park_jitter=0)], intensity=RestartIntensity(0, 1))
    async with puppets.up(top) as run:
        for woken_by in ("time", "operator"):
            await puppets.end("a", Park("limited", trio.current_time() + 100))
            assert states(top) == {"a": State.PARKED}
            await trio.sleep(50)
            if woken_by == "operator":
                top.unpark("a")
            else:
                assert states(top) == {"a": State.PARKED}
                await trio.sleep(51)
            await settle()
            assert states(top) == {"a": State.RUNNING}
            assert puppets.of(Unparked)[-1].by == woken_by
        assert not run.ended.is_set()


async def test_ours_a_storm_of_unparks_is_spread(puppets, schedule) -> None:
    chance = random.Random(schedule)
    many = [puppets.child(str(n), park_jitter=10) for n in range(100)]
    top = DynamicSupervisor(_giving(many), random=chance.random)
    async with puppets.up(top):
        wake = trio.current_time() + 100
        for child in many:
            puppets.order(child.id, Park("limited", wake))
        await trio.sleep(200)
        at = sorted(event.at for event in puppets.of(Unparked))
    assert len(set(at)) == 100
    assert wake <= at[0] < at[-1] <= wake + 10
    assert max(sum(t <= other < t + 1 for other in at) for t in at) < 40


def _giving(specs):
    async def load():
        return specs

    return load


@pytest.mark.parametrize(("asked", "waits"), [(30, 30), (0, 0), (-5, 0), (1e9, 60), (math.inf, 60)])
async def test_ours_retry_after_overrides_the_back_off_up_to_its_cap(puppets, asked, waits) -> None:
    steps = Backoff(initial=7, min=7, max=60, jitter=1.0)
    top = puppets.make([puppets.child("a", backoff=steps)], intensity=RestartIntensity(1, 1e6))
    async with puppets.up(top) as run:
        failed = trio.current_time()
        await puppets.end("a", ExceptionGroup("g", [RetryAfter(asked, CRASH)]))
        await trio.sleep(100)
        (again,) = puppets.of(Started)[1:]
        assert again.at - failed == pytest.approx(waits)
        await puppets.end("a", RetryAfter(asked))  # a failure like any other: budget
        assert run.ended.is_set()


async def test_ours_the_intensity_of_a_parked_child_is_not_spent_by_parks(puppets) -> None:
    top = puppets.make(
        [puppets.child("a", park_on_exhausted=True)], intensity=RestartIntensity(1, 60)
    )
    async with puppets.up(top):
        await puppets.end("a", CRASH)
        for _ in range(5):
            top.park("a", "held")
            await settle()
            top.unpark("a")
            await settle()
        assert states(top) == {"a": State.RUNNING}
        await puppets.end("a", CRASH)  # the second failure within the period, parks and all
        assert states(top) == {"a": State.PARKED}
        assert "intensity exceeded" in puppets.of(Parked)[-1].reason


@EACH_STRATEGY
async def test_ours_escalation_while_a_sibling_is_parked(puppets, strategy) -> None:
    children = [puppets.child("a"), puppets.child("b"), puppets.child("c")]
    top = puppets.make(children, intensity=RestartIntensity(0, 1), strategy=strategy)
    async with puppets.up(top) as run:
        await puppets.end("a", Park("limited", trio.current_time() + 1000))
        await puppets.end("b", CRASH)
        assert run.ended.is_set()
        assert states(top) == {"a": State.STOPPED, "b": State.FAILED, "c": State.STOPPED}
        assert trio.current_time() < 1
    assert isinstance(run.error, IntensityExceeded)
    assert len(puppets.of(Escalated)) == 1


@EACH_STRATEGY
@pytest.mark.parametrize("when", ["parked", "backoff", "init", "stop", "overdue"])
async def test_ours_shutdown_in_every_state(puppets, strategy, when) -> None:
    children = [
        puppets.child("a"),
        puppets.child("b", backoff=SLOW, stop=3, grace=1 if when == "overdue" else 10),
        puppets.child("c"),
    ]
    top = puppets.make(children, strategy=strategy)
    async with puppets.up(top) as run:
        if when == "init":
            puppets.inits["b"] = "hang"
            top.kick("b")
            await trio.sleep(5)
            assert states(top)["b"] is State.STARTING
        elif when in ("stop", "overdue"):
            top.kick("b")
            await trio.sleep(1.5)
            assert states(top)["b"] is (State.STOPPING if when == "stop" else State.OVERDUE)
        else:
            await puppets.end("b", Park("rest") if when == "parked" else CRASH)
            await trio.sleep(5)
            assert states(top)["b"] is (State.PARKED if when == "parked" else State.BACKOFF)
        top.stop()
        await run.ended.wait()
        assert set(states(top).values()) == {State.STOPPED}
        assert not any(puppets.living.values())
    assert run.error is None
    assert trio.current_time() < 30


async def test_ours_a_jump_of_the_clock_is_no_silence_of_those_who_could_not_tick(puppets) -> None:
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, trio.testing.MockClock)

    async def ticks(ctx: Context) -> None:
        ctx.ready()
        while True:
            ctx.tick()
            await trio.sleep(1)

    async def silent(ctx: Context) -> None:
        ctx.ready()
        await trio.sleep_forever()

    top = puppets.make(
        [
            ChildSpec("ticks", ticks, watchdog=5),
            ChildSpec("silent", silent, watchdog=5, backoff=AT_ONCE),
            puppets.child("parked"),
        ],
        intensity=GENEROUS,
    )
    async with puppets.up(top):
        await puppets.end("parked", Park("limited", trio.current_time() + 3600))
        clock.jump(7200)
        await settle()
        assert states(top) == dict.fromkeys(states(top), State.RUNNING)
        await trio.sleep(4)
        assert incarnations(top) == {"ticks": 1, "silent": 1, "parked": 2}
        clock.jump(7200)  # who has ticked since gets its time once more again
        await settle()
        assert incarnations(top) == {"ticks": 1, "silent": 2, "parked": 2}
        await trio.sleep(5.5)
        assert incarnations(top) == {"ticks": 1, "silent": 3, "parked": 2}


async def test_ours_a_crash_in_the_formatter_of_a_report(puppets) -> None:
    class Nasty(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

        __repr__ = __str__

    def broken(text: str) -> str:
        raise OSError("no redaction")

    top = puppets.make([puppets.child("a")])
    async with puppets.up(top):
        await puppets.end("a", Nasty())
        assert states(top) == {"a": State.RUNNING}
        exited = puppets.of(Exited)[0]
        assert "text unavailable" in exited.line()
        assert "text unavailable" in report(exited)
        assert set(report(exited, Form(redact=broken)).splitlines()) == {
            "<redaction failed: OSError>"
        }
        assert "text unavailable" in top.history("a")[1].text


async def test_ours_a_sink_that_raises(puppets, caplog) -> None:
    def sink(event: Event) -> None:
        raise RuntimeError("no disk")

    top = puppets.make([puppets.child("a")], sink=sink)
    async with puppets.up(top) as run:
        await puppets.end("a", CRASH)
        assert states(top) == {"a": State.RUNNING}
    assert run.error is None
    assert "event sink failed; the event was: top/a: crashed: ValueError: boom" in caplog.text


async def test_ours_a_sink_that_blocks(puppets) -> None:
    release, seen = threading.Event(), []

    def blocks(event: Event) -> None:
        release.wait(60)
        seen.append(event)

    sink = ThreadSink(blocks, capacity=3)
    top = puppets.make([puppets.child("a")], sink=sink, intensity=GENEROUS)
    async with puppets.up(top):
        for _ in range(20):
            await puppets.end("a", CRASH)
        assert states(top) == {"a": State.RUNNING}
    assert sink.lost > 0
    assert not sink.close(timeout=0.01)
    release.set()
    assert sink.close(timeout=60)
    assert 3 <= len(seen) <= 5
    assert isinstance(seen[0], Started)


async def test_ours_an_overdue_child_in_a_pause_of_its_supervisor(puppets) -> None:
    """A supervisor whose child hangs is overdue itself, and parked only when it is gone."""
    stuck = puppets.child("stuck", stop=50, grace=1)
    inner = puppets.make([stuck, puppets.child("a")], intensity=RestartIntensity(0, 1))
    outer = puppets.make([supervisor_spec("in", inner, park_on_exhausted=True)])
    async with puppets.up(outer):
        await puppets.end("a", CRASH)
        await trio.sleep(10)
        assert states(outer) == {"in": State.RUNNING}
        assert [event.path for event in puppets.of(Overdue)] == ["top/in/stuck"]
        assert puppets.living["stuck"] == 1
        await trio.sleep(45)
        assert states(outer) == {"in": State.PARKED}


def test_ours_a_supervisor_can_be_made_outside_of_trio() -> None:
    assert Supervisor().snapshot().state is State.STOPPED
