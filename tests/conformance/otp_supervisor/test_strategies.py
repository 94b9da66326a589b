"""F. Strategies and the budget."""

import gc
import weakref
from functools import partial

import pytest
import trio
import trio.lowlevel
from support.puppets import AT_ONCE, CRASH, Puppets, incarnations, settle, states

from hive.supervisors import (
    Backoff,
    ChildSpec,
    Context,
    Escalated,
    Exited,
    IntensityExceeded,
    Restart,
    RestartIntensity,
    State,
    Strategy,
)

HOUR = 3600.0
TWICE = RestartIntensity(intensity=2, period=HOUR)


async def test_multiple_restarts(puppets) -> None:
    top = puppets.make([puppets.child("a")], intensity=RestartIntensity(intensity=1, period=1))
    async with puppets.up(top) as run:
        for _ in range(10):
            await puppets.end("a", CRASH)
            await trio.sleep(1)  # and a little, from end(): just outside of the period
        assert incarnations(top) == {"a": 11}
        assert not run.ended.is_set()
        await puppets.end("a", CRASH)
        puppets.order("a", CRASH)
        await run.ended.wait()
    assert isinstance(run.error, IntensityExceeded)


async def test_one_for_one(puppets) -> None:
    top = puppets.make([puppets.child("a"), puppets.child("b")], intensity=TWICE)
    async with puppets.up(top) as run:
        for times in (2, 3):
            await puppets.end("a", CRASH)
            assert incarnations(top) == {"a": times, "b": 1}
        await puppets.end("a", CRASH)
        assert run.ended.is_set()
    assert run.error.__cause__ is CRASH


async def test_one_for_one_escalation(puppets) -> None:
    await _escalates(puppets, Strategy.ONE_FOR_ONE)


async def test_one_for_all(puppets) -> None:
    top = _group(puppets, Strategy.ONE_FOR_ALL)
    async with puppets.up(top) as run:
        puppets.take()
        await puppets.end("b", CRASH)
        assert puppets.take() == ["-b", "-c", "-a", "+a", "+b", "+c"]
        await puppets.end("a", CRASH)
        assert incarnations(top) == {"a": 3, "b": 3, "c": 3}
        await puppets.end("c", CRASH)
        assert run.ended.is_set()


async def test_one_for_all_escalation(puppets) -> None:
    await _escalates(puppets, Strategy.ONE_FOR_ALL)


async def test_one_for_all_other_child_fails_restart(puppets) -> None:
    top = _group(puppets, Strategy.ONE_FOR_ALL)
    async with puppets.up(top) as run:
        puppets.take()
        puppets.inits["c"] = OSError("not now")
        puppets.order("a", CRASH)
        await trio.lowlevel.checkpoint()
        while puppets.log.count("-c") < 2:  # its end as a bystander, and its failed restart
            await trio.lowlevel.checkpoint()
        del puppets.inits["c"]
        await settle()
        first, again = puppets.take(), ["+a", "+b", "+c"]
        assert first == ["-a", "-c", "-b", *again, "-c", "-b", "-a", *again]
        assert not run.ended.is_set()
    assert run.error is None


async def test_simple_one_for_one(puppets) -> None:
    top = puppets.dynamic([puppets.child("a"), puppets.child("b")], intensity=TWICE)
    async with puppets.up(top) as run:
        for times in (2, 3):
            await puppets.end("a", CRASH)
            assert incarnations(top) == {"a": times, "b": 1}
        await puppets.end("a", CRASH)
        assert run.ended.is_set()
    assert isinstance(run.error, IntensityExceeded)


async def test_simple_one_for_one_shutdown(puppets) -> None:
    top = puppets.dynamic([puppets.child(str(n), stop=1) for n in range(20)])
    async with puppets.up(top):
        began = trio.current_time()
    assert trio.current_time() - began == pytest.approx(1)  # all of them together
    assert all(event.exit.clean for event in puppets.of(Exited))


async def test_simple_one_for_one_extra(puppets) -> None:
    """Adapted: start arguments are bound to the start function, the extra value is ready()'s."""
    seen: list[str] = []

    async def start(argument: str, ctx: Context) -> None:
        seen.append(argument)
        ctx.ready(("extra", argument))
        await trio.sleep(1)
        raise CRASH

    top = puppets.dynamic()
    async with puppets.up(top):
        spec = ChildSpec("a", partial(start, "argument"), backoff=AT_ONCE)
        assert await top.start_child(spec) == ("extra", "argument")
        await trio.sleep(1.5)
    assert seen == ["argument", "argument"]


async def test_simple_one_for_one_escalation(puppets) -> None:
    top = puppets.dynamic([puppets.child("b"), puppets.child("a")], intensity=TWICE)
    async with puppets.up(top) as run:
        puppets.inits["a"] = OSError("not again")
        await puppets.end("a", CRASH)
        assert run.ended.is_set()
    assert [str(e.cause.__cause__) for e in puppets.of(Escalated)] == ["not again"]


async def test_simple_one_for_one_corruption() -> None:
    """Adapted: a supervisor keeps nothing of a temporary child that has ended."""
    puppets = Puppets()  # not the fixture: once is enough

    class Argument:
        pass

    async def start(argument: Argument, ctx: Context) -> None:
        ctx.ready()
        await trio.sleep(float(ctx.path[-1]))

    top = puppets.dynamic()
    held: list[weakref.ref[Argument]] = []
    async with puppets.up(top):
        for seconds in "123":
            argument = Argument()
            held.append(weakref.ref(argument))
            once = partial(start, argument)
            await top.start_child(ChildSpec(seconds, once, Restart.TEMPORARY))
        del argument, once
        await trio.sleep(2.5)
        gc.collect()
        assert [one() is None for one in held] == [True, True, False]


async def test_rest_for_one(puppets) -> None:
    top = _group(puppets, Strategy.REST_FOR_ONE)
    async with puppets.up(top) as run:
        puppets.take()
        await puppets.end("b", CRASH)
        assert puppets.take() == ["-b", "-c", "+b", "+c"]
        await puppets.end("c", CRASH)
        assert incarnations(top) == {"a": 1, "b": 2, "c": 3}
        await puppets.end("a", CRASH)
        assert run.ended.is_set()


async def test_rest_for_one_escalation(puppets) -> None:
    await _escalates(puppets, Strategy.REST_FOR_ONE)


async def test_rest_for_one_other_child_fails_restart(puppets) -> None:
    top = _group(puppets, Strategy.REST_FOR_ONE)
    async with puppets.up(top) as run:
        puppets.take()
        puppets.inits["c"] = OSError("not now")
        puppets.order("b", CRASH)
        while puppets.log.count("-c") < 2:
            await trio.lowlevel.checkpoint()
        del puppets.inits["c"]
        await settle()
        # c alone is the tail that its own failed start takes along
        assert puppets.take() == ["-b", "-c", "+b", "+c", "-c", "+c"]
        assert not run.ended.is_set()
    assert run.error is None


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
async def test_temporary_bystander(puppets, strategy) -> None:
    top = puppets.make(
        [puppets.child("a"), puppets.child("b", restart=Restart.TEMPORARY)], strategy=strategy
    )
    async with puppets.up(top):
        await puppets.end("a", CRASH)
        assert states(top) == {"a": State.RUNNING}
        assert puppets.take() == ["+a", "+b", "-a", "-b", "+a"]


def _group(puppets, strategy: Strategy):
    return puppets.make([puppets.child(name) for name in "abc"], strategy=strategy, intensity=TWICE)


async def _escalates(puppets, strategy: Strategy) -> None:
    """A child that cannot be restarted uses up the budget, and its siblings end with it."""
    slow = Backoff(initial=0, min=1, max=1, jitter=0)
    top = puppets.make(
        [puppets.child("a"), puppets.child("b", backoff=slow)],
        strategy=strategy,
        intensity=RestartIntensity(intensity=4, period=10),
    )
    async with puppets.up(top) as run:
        puppets.inits["b"] = OSError("not again")
        began = trio.current_time()
        puppets.order("b", CRASH)
        await run.ended.wait()
        assert trio.current_time() - began == pytest.approx(
            3
        )  # at once, then after 1, 2 and 3 seconds
        assert puppets.log.count("+b") == 1 + 4
        assert puppets.log[-1] == "-a"
    assert str(run.error.__cause__) == "not again"
    assert run.error.intensity == str(RestartIntensity(4, 10))
