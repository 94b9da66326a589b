"""H. Introspection."""

import pytest
from support.puppets import CRASH, Puppets, settle

from hive.supervisors import Backoff, Restart, State, supervisor_spec


@pytest.mark.parametrize("many", [1000, 2000])
async def test_count_children(many) -> None:
    puppets = Puppets()  # not the fixture: once is enough
    top = puppets.dynamic([puppets.child(str(n), restart=Restart.TEMPORARY) for n in range(many)])
    async with puppets.up(top):
        counts = top.count_children()
        assert counts == top.count_children()
        assert (counts.specs, counts.active, counts.workers) == (many, many, many)
        assert len(top.which_children()) == many
        await puppets.end("7")
        assert top.count_children().specs == many - 1


async def test_count_children_supervisor(puppets) -> None:
    inner = [supervisor_spec(name, puppets.make()) for name in "abc"]
    top = puppets.make([*inner, puppets.child("worker")])
    async with puppets.up(top):
        counts = top.count_children()
        assert (counts.supervisors, counts.workers, counts.specs) == (3, 1, 4)


async def test_count_restarting_children(puppets) -> None:
    slow = Backoff(initial=60, min=60, max=60, jitter=0)
    top = puppets.dynamic([puppets.child(name, backoff=slow) for name in "abc"])
    async with puppets.up(top):
        for count, name in enumerate("abc", 1):
            await puppets.end(name, CRASH)
            counts = top.count_children()
            assert (counts.active, counts.backoff) == (3 - count, count)
            assert (counts.specs, counts.workers) == (3, 3)
        top.kick("a")
        await settle()
        assert (top.count_children().active, top.count_children().backoff) == (1, 2)


async def test_get_callback_module(puppets) -> None:
    """Adapted: what a supervisor runs is the start function in the spec of each child."""
    inner = puppets.make([puppets.child("a")])
    top = puppets.make([supervisor_spec("in", inner), puppets.child("b")])
    async with puppets.up(top):
        assert top.get_childspec("in").start == inner.run
        assert inner.snapshot().path == "top/in"
        assert [node.state for node in top.snapshot().walk()] == [State.RUNNING] * 4
