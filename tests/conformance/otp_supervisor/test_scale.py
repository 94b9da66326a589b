"""I. Memory and scale."""

import gc
import time
import weakref
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
from support.puppets import CRASH, GENEROUS, Puppets, states

from hive.supervisors import ChildSpec, Context, Restart, Shutdown, Strategy, Supervisor


class Large:
    """An argument whose fate can be watched."""


async def test_do_not_save_start_parameters_for_temporary_children() -> None:
    """Adapted: not the size is compared; the arguments of what ended are really gone."""
    puppets = Puppets()  # not the fixture: once is enough

    async def start(argument: Large, ctx: Context) -> None:
        ctx.ready()
        await trio.sleep(1)

    top = puppets.make()
    async with puppets.up(top):
        held: dict[Restart, list[weakref.ref[Large]]] = {}
        for restart in (Restart.TEMPORARY, Restart.TRANSIENT):
            arguments = [Large() for _ in range(100)]
            held[restart] = [weakref.ref(one) for one in arguments]
            for number, argument in enumerate(arguments):
                once = ChildSpec(f"{restart}-{number}", partial(start, argument), restart)
                await top.start_child(once)
        del arguments, argument, once
        await trio.sleep(2)
        gc.collect()
        alive = {kind: sum(one() is not None for one in ones) for kind, ones in held.items()}
        assert alive == {Restart.TEMPORARY: 0, Restart.TRANSIENT: 100}


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("end", ["normal", "shutdown", "crash", "terminated"])
async def test_do_not_save_child_specs_for_temporary_children(puppets, strategy, end) -> None:
    spec = puppets.child("a", restart=Restart.TEMPORARY)
    top = puppets.make([puppets.child("other")], strategy=strategy, intensity=GENEROUS)
    async with puppets.up(top):
        for _ in range(3):
            await top.start_child(spec)
            if end == "terminated":
                await top.terminate_child("a")
            else:
                error = {"normal": None, "shutdown": Shutdown(), "crash": CRASH}[end]
                await puppets.end("a", error)
            assert list(states(top)) == ["other"]


async def _cost(work: Callable[[int], Awaitable[None]], few: int, many: int) -> float:
    """CPU time of many by CPU time of few, the best of two each."""

    async def best(count: int) -> float:
        times = []
        for _ in range(2):
            began = time.process_time()
            await work(count)
            times.append(time.process_time() - began)
        return min(times)

    return await best(many) / await best(few)


async def test_simple_one_for_one_scale_many_temporary_children(puppets) -> None:
    async def work(count: int) -> None:
        stage = Puppets()
        top = stage.dynamic()
        async with stage.up(top):
            for number in range(count):
                await top.start_child(stage.child(str(number), restart=Restart.TEMPORARY))
            for number in range(count):
                stage.order(str(number))
            await trio.sleep(1)
            assert states(top) == {}

    assert await _cost(work, 30, 300) < 50


async def test_scale_start_stop_many_children(puppets) -> None:
    """Adapted: 30 and 300 children here; the benchmark has the large numbers."""

    async def work(count: int) -> None:
        stage = Puppets()
        async with stage.up(Supervisor([stage.child(str(n)) for n in range(count)])):
            assert len(stage.log) == count

    assert await _cost(work, 30, 300) < 30
