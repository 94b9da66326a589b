"""Time that jumped is told, and parks end by the wall clock all the same."""

import time
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import trio
import trio.testing
from attrs import evolve

from hive.clock import LoopClock
from hive.daemon.clock_jumps import MachineClocks, jumps
from hive.operator.parks import ChildPark
from hive.operator.tree import OperatedTree
from hive.supervisors import ChildSpec, Context, State, Supervisor

BEFORE = MachineClocks(wall=1e9, boot=5000.0, awake=4000.0, lost=0.0)
AFTER = MachineClocks(wall=1e9 + 10, boot=5010.0, awake=4010.0, lost=0.0)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return ("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (AFTER, []),
        (evolve(AFTER, lost=45.0), ["the daemon stood still for 45 s"]),
        (
            evolve(AFTER, wall=AFTER.wall + 3600, boot=AFTER.boot + 3600),
            ["the machine slept for 3600 s"],
        ),
        (evolve(AFTER, wall=AFTER.wall - 7200), ["the machine's clock was set back by 7200 s"]),
        (evolve(AFTER, wall=AFTER.wall + 60), ["the machine's clock was set forward by 60 s"]),
        (evolve(AFTER, wall=AFTER.wall + 4.9, lost=4.9), []),
    ],
)
def test_what_jumped_is_told(after: MachineClocks, told: list[str]) -> None:
    texts = list(jumps(BEFORE, after))
    assert [text[: len(start)] for text, start in zip(texts, told, strict=True)] == told


def test_the_clocks_of_a_loop() -> None:
    async def main() -> None:
        before = MachineClocks.now()
        skipped.append(100.0)
        await trio.sleep(0.01)
        after = MachineClocks.now()
        assert after.lost - before.lost == pytest.approx(100, abs=1)
        assert next(jumps(before, after)).startswith("the daemon stood still for ")

    skipped = [0.0]
    trio.run(main, clock=LoopClock(lambda: time.perf_counter() + sum(skipped)))


@pytest.mark.parametrize(
    ("jump", "ends_after"),
    [(500.0, 500.0), (2000.0, 0.0), (-7200.0, 1000.0)],
    ids=["slept for half of it", "slept for all of it", "clock set back"],
)
async def test_a_park_ends_by_the_wall_clock_but_never_later_than_it_was_to_last(
    jump: float, ends_after: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    offset = 1e9
    monkeypatch.setattr(time, "time", lambda: offset + trio.current_time())
    root = Supervisor([ChildSpec("janitor", _lives, park_jitter=0)])
    kept = ChildPark("hive/janitor", "by the operator", offset + 1000)

    async def all_parks() -> tuple[ChildPark, ...]:
        await trio.lowlevel.checkpoint()
        return (kept,)

    parks, other = SimpleNamespace(all=all_parks), Mock()
    operated = OperatedTree(root, other, other, parks, other, other)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(root.run, Context("hive"))
        await trio.testing.wait_all_tasks_blocked()
        root.park("janitor", kept.reason, trio.current_time() + 1000)
        await trio.testing.wait_all_tasks_blocked()
        offset += jump
        await operated.renew_parks()
        await trio.testing.wait_all_tasks_blocked()
        if ends_after:
            await trio.sleep(ends_after - 1)
            assert root.which_children()[0].state is State.PARKED
        await trio.sleep(2)
        assert root.which_children()[0].state is State.RUNNING
        nursery.cancel_scope.cancel()


async def _lives(ctx: Context) -> None:
    ctx.ready()
    await trio.sleep_forever()
