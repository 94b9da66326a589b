"""A. Start."""

import pytest
from support.puppets import settle, states

from hive.supervisors import (
    ChildSpec,
    DynamicSupervisor,
    Exited,
    ExitKind,
    Ignored,
    Restart,
    SpecError,
    Started,
    StartFailed,
    State,
    supervisor_spec,
)

DECLINED = Ignored("nothing to do")


def declining() -> DynamicSupervisor:
    async def load() -> list[ChildSpec]:
        raise DECLINED

    return DynamicSupervisor(load)


async def test_sup_start_normal(puppets) -> None:
    outer = puppets.make([supervisor_spec("empty", puppets.make())])
    async with puppets.up(outer) as run:
        assert states(outer) == {"empty": State.RUNNING}
        assert not run.ended.is_set()
    assert run.error is None
    assert [event.exit.clean for event in puppets.of(Exited)] == [True]


async def test_sup_start_ignore_init(puppets) -> None:
    """Adapted: a supervisor declines by Ignored from its load()."""
    outer = puppets.make()
    async with puppets.up(outer) as run:
        assert await outer.start_child(supervisor_spec("in", declining())) is None
        assert states(outer) == {"in": State.STOPPED}
        await settle()
        assert puppets.of(Exited)[0].exit.kind is ExitKind.IGNORED
        assert puppets.of(Exited)[0].exit.clean
    assert run.error is None


async def test_sup_start_ignore_child(puppets) -> None:
    """Adapted: a child declines by raising Ignored."""
    puppets.inits["a"] = DECLINED
    top = puppets.make([puppets.child("a"), puppets.child("b")])
    async with puppets.up(top):
        assert states(top) == {"a": State.STOPPED, "b": State.RUNNING}
        assert (top.count_children().specs, top.count_children().active) == (2, 1)


async def test_sup_start_ignore_temporary_child(puppets) -> None:
    """Adapted: a child declines by raising Ignored."""
    puppets.inits["a"] = DECLINED
    top = puppets.make([puppets.child("a", restart=Restart.TEMPORARY), puppets.child("b")])
    async with puppets.up(top):
        assert states(top) == {"b": State.RUNNING}


async def test_sup_start_ignore_temporary_child_start_child(puppets) -> None:
    """Adapted: a child declines by raising Ignored."""
    puppets.inits["a"] = DECLINED
    top = puppets.make([puppets.child("b")])
    async with puppets.up(top):
        assert await top.start_child(puppets.child("a", restart=Restart.TEMPORARY)) is None
        assert states(top) == {"b": State.RUNNING}


async def test_sup_start_ignore_temporary_child_start_child_simple(puppets) -> None:
    """Adapted: a child declines by raising Ignored; a dynamic supervisor has no template."""
    puppets.inits["a"] = DECLINED
    top = puppets.dynamic()
    async with puppets.up(top):
        assert await top.start_child(puppets.child("a", restart=Restart.TEMPORARY)) is None
        assert states(top) == {}


async def test_sup_start_ignore_permanent_child_start_child_simple(puppets) -> None:
    """Adapted: a child declines by raising Ignored; a dynamic supervisor has no template."""
    puppets.inits["a"] = DECLINED
    top = puppets.dynamic([puppets.child("b")])
    async with puppets.up(top) as run:
        assert await top.start_child(puppets.child("a")) is None
        assert states(top) == {"b": State.RUNNING}
        assert top.count_children().specs == 1
    assert run.error is None


@pytest.mark.parametrize("rubbish", [None, "rubbish", 42, [42], {"a": 1}])
async def test_sup_start_error_return(puppets, rubbish) -> None:
    """Adapted: what gives a supervisor its children at its start is load()."""

    async def load() -> object:
        return rubbish

    outer = puppets.make()
    async with puppets.up(outer):
        with pytest.raises(StartFailed) as caught:
            await outer.start_child(supervisor_spec("in", DynamicSupervisor(load)))
        assert isinstance(caught.value.__cause__, SpecError)
        assert "allowed: " in str(caught.value.__cause__)
        assert states(outer) == {}


async def test_sup_start_fail(puppets) -> None:
    """Adapted: what gives a supervisor its children at its start is load()."""

    async def load() -> list[ChildSpec]:
        raise OSError("no disk")

    outer = puppets.make()
    async with puppets.up(outer):
        with pytest.raises(StartFailed, match="no disk") as caught:
            await outer.start_child(supervisor_spec("in", DynamicSupervisor(load)))
        assert isinstance(caught.value.__cause__, OSError)


async def test_sup_start_child_returns_error(puppets) -> None:
    puppets.inits["a"] = OSError("no")
    top = puppets.make([puppets.child("b")])
    async with puppets.up(top):
        with pytest.raises(StartFailed, match="no"):
            await top.start_child(puppets.child("a"))
        assert states(top) == {"b": State.RUNNING}
        del puppets.inits["a"]
        assert await top.start_child(puppets.child("a")) == "value of a"


async def test_sup_start_restart_child_returns_error(puppets) -> None:
    top = puppets.make([puppets.child("a")])
    async with puppets.up(top):
        await top.terminate_child("a")
        puppets.inits["a"] = OSError("no")
        with pytest.raises(StartFailed, match="no"):
            await top.restart_child("a")
        await settle()
        assert states(top) == {"a": State.FAILED}
        assert (top.count_children().specs, top.count_children().active) == (1, 0)
        assert len(puppets.of(Started)) == 1


async def test_sup_start_child_returns_error_simple(puppets) -> None:
    puppets.inits["a"] = OSError("no")
    top = puppets.dynamic()
    async with puppets.up(top):
        with pytest.raises(StartFailed, match="no"):
            await top.start_child(puppets.child("a"))
        assert states(top) == {}
