"""K. Live change of flags and specs. OTP's code_change is our reconfigure()."""

import pytest
import trio
from support.puppets import CRASH, incarnations, settle, states

from hive.supervisors import (
    AutoShutdown,
    IntensityExceeded,
    MaxChildren,
    Reconfigured,
    Restart,
    RestartIntensity,
    SpecError,
    State,
    Strategy,
)


async def test_code_change(puppets) -> None:
    """Adapted: flags are arguments of reconfigure()."""
    top = puppets.make([puppets.child(name) for name in "abc"], intensity=RestartIntensity(100, 60))
    async with puppets.up(top) as run:
        await puppets.end("b", CRASH)
        assert incarnations(top) == {"a": 1, "b": 2, "c": 1}
        top.reconfigure(strategy=Strategy.REST_FOR_ONE)
        await puppets.end("b", CRASH)
        assert incarnations(top) == {"a": 1, "b": 3, "c": 2}
        for wrong in (
            {"strategy": "all"},
            {"intensity": RestartIntensity(intensity=-1)},
            {"auto_shutdown": "any"},
        ):
            with pytest.raises(SpecError, match="allowed"):
                top.reconfigure(**wrong, children=[puppets.child("d")])
        assert list(states(top)) == ["a", "b", "c"]
        top.reconfigure(intensity=RestartIntensity(2, 60))  # two failures are in the window already
        await puppets.end("a", CRASH)
        assert run.ended.is_set()
    assert isinstance(run.error, IntensityExceeded)


async def test_code_change_map(puppets) -> None:
    """Adapted: specs are arguments of reconfigure()."""
    old = [puppets.child("a"), puppets.child("b")]
    top = puppets.make(old)
    async with puppets.up(top):
        new = [puppets.child("c"), puppets.child("a", restart=Restart.TRANSIENT, grace=9)]
        for wrong in ([*new, puppets.child("a")], [*new, "d"], [puppets.child("a", grace=-1)]):
            with pytest.raises(SpecError):
                top.reconfigure(wrong)
        assert [info.spec for info in top.which_children()] == old
        top.reconfigure(new)
        assert states(top) == {"c": State.STOPPED, "a": State.RUNNING, "b": State.RUNNING}
        assert incarnations(top) == {"c": 0, "a": 1, "b": 1}
        assert top.get_childspec("a").grace == 9
        await settle()
        (event,) = puppets.of(Reconfigured)
        assert (event.added, event.kept) == (("c",), ("b",))
        await puppets.end("a")
        assert states(top)["a"] is State.STOPPED  # by its new restart type
        assert await top.restart_child("c") == "value of c"
        await top.restart_child("a")
        puppets.take()
    assert puppets.take() == ["-b", "-a", "-c"]


async def test_code_change_simple(puppets) -> None:
    """Adapted: a dynamic supervisor has no template; its flags and known children change."""
    top = puppets.dynamic([puppets.child("a")])
    async with puppets.up(top) as run:
        with pytest.raises(SpecError, match="one_for_one"):
            top.reconfigure(strategy=Strategy.ONE_FOR_ALL)
        top.reconfigure(
            intensity=RestartIntensity(0, 60), auto_shutdown=AutoShutdown.ANY_SIGNIFICANT
        )
        await top.start_child(puppets.child("b", restart=Restart.TEMPORARY, significant=True))
        await puppets.end("a", CRASH)
        assert run.ended.is_set()
    assert isinstance(run.error, IntensityExceeded)


async def test_code_change_simple_map(puppets) -> None:
    """Adapted: a dynamic supervisor has no template; its flags and known children change."""
    top = puppets.dynamic([puppets.child("a"), puppets.child("b")], max_children=2)
    async with puppets.up(top):
        with pytest.raises(MaxChildren):
            top.reconfigure([puppets.child("a"), puppets.child("c")])
        with pytest.raises(SpecError):
            top.reconfigure([None])
        assert list(states(top)) == ["a", "b"]
        top.reconfigure([puppets.child("a", restart=Restart.TEMPORARY)])
        await puppets.end("a", CRASH)
        assert states(top) == {"b": State.RUNNING}
        await trio.sleep(60)
        assert incarnations(top) == {"b": 1}
