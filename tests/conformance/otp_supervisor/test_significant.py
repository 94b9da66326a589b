"""G. Significant children."""

import pytest
from support.puppets import CRASH, states

from hive.supervisors import (
    AutoShutdown,
    Exited,
    ExitKind,
    Restart,
    Shutdown,
    SpecError,
    State,
    Strategy,
    supervisor_spec,
)

NEVER, ANY, ALL = AutoShutdown.NEVER, AutoShutdown.ANY_SIGNIFICANT, AutoShutdown.ALL_SIGNIFICANT
ENDS = {"normal": None, "shutdown": Shutdown("done"), "crash": CRASH, "terminated": "api"}
EACH_END = pytest.mark.parametrize("end", ENDS)
EACH_MODE = pytest.mark.parametrize("mode", AutoShutdown)


async def let(puppets, top, name: str, end: str) -> None:
    if end == "terminated":
        await top.terminate_child(name)
    else:
        await puppets.end(name, ENDS[end])


@EACH_MODE
@EACH_END
async def test_nonsignificant_temporary(puppets, mode, end) -> None:
    children = [puppets.child("a", restart=Restart.TEMPORARY), puppets.child("b")]
    async with puppets.up(top := puppets.make(children, auto_shutdown=mode)) as run:
        await let(puppets, top, "a", end)
        assert not run.ended.is_set()
        assert states(top) == {"b": State.RUNNING}


@EACH_MODE
@EACH_END
async def test_nonsignificant_transient(puppets, mode, end) -> None:
    children = [puppets.child("a", restart=Restart.TRANSIENT), puppets.child("b")]
    async with puppets.up(top := puppets.make(children, auto_shutdown=mode)) as run:
        await let(puppets, top, "a", end)
        assert not run.ended.is_set()
        assert states(top)["a"] is (State.RUNNING if end == "crash" else State.STOPPED)


def pair(puppets, mode: AutoShutdown, restart: Restart, **flags: object):
    """Two significant children and one that is not."""
    children = [puppets.child(n, restart=restart, significant=True) for n in "ab"]
    return puppets.make([*children, puppets.child("c")], auto_shutdown=mode, **flags)


@pytest.mark.parametrize("mode", [ANY, ALL])
@EACH_END
async def test_significant_temporary(puppets, mode, end) -> None:
    async with puppets.up(top := pair(puppets, mode, Restart.TEMPORARY)) as run:
        await let(puppets, top, "a", end)
        assert run.ended.is_set() == (mode is ANY and end != "terminated")
        if not run.ended.is_set():
            await let(puppets, top, "b", "normal")
            assert run.ended.is_set()
    assert isinstance(run.error, Shutdown)


@pytest.mark.parametrize("mode", [ANY, ALL])
@EACH_END
async def test_significant_transient(puppets, mode, end) -> None:
    async with puppets.up(top := pair(puppets, mode, Restart.TRANSIENT)) as run:
        await let(puppets, top, "a", end)
        ended = mode is ANY and end in ("normal", "shutdown")
        assert run.ended.is_set() == ended
        if end == "crash":
            assert states(top)["a"] is State.RUNNING
            await let(puppets, top, "a", "normal")
        if not run.ended.is_set():
            await let(puppets, top, "b", "normal")
            assert run.ended.is_set()


@pytest.mark.parametrize("mode", [ANY, ALL])
async def test_significant_simple(puppets, mode) -> None:
    top = puppets.dynamic(auto_shutdown=mode)
    async with puppets.up(top) as run:
        for name in "ab":
            await top.start_child(puppets.child(name, restart=Restart.TEMPORARY, significant=True))
        await top.start_child(puppets.child("c", restart=Restart.TEMPORARY))
        await puppets.end("c")
        assert not run.ended.is_set()
        await puppets.end("a")
        assert run.ended.is_set() == (mode is ANY)
        if mode is ALL:
            await puppets.end("b")
            assert run.ended.is_set()


@pytest.mark.parametrize("mode", [ANY, ALL])
@pytest.mark.parametrize("restart", [Restart.TRANSIENT, Restart.TEMPORARY])
async def test_significant_bystander(puppets, mode, restart) -> None:
    children = [
        puppets.child("a"),
        puppets.child("b", restart=restart, significant=True),
        puppets.child("c", restart=Restart.TRANSIENT, significant=True),
    ]
    top = puppets.make(children, auto_shutdown=mode, strategy=Strategy.ONE_FOR_ALL)
    async with puppets.up(top) as run:
        await puppets.end("a", CRASH)
        assert not run.ended.is_set()
        assert states(top)["a"] is State.RUNNING
        assert states(top)["c"] is State.RUNNING
        assert ("b" in states(top)) == (restart is Restart.TRANSIENT)


@pytest.mark.parametrize("significant", [True, False])
async def test_significant_escalation(puppets, significant) -> None:
    worker = puppets.child("worker", restart=Restart.TRANSIENT, significant=True)
    inner = puppets.make([worker, puppets.child("idle")], auto_shutdown=ANY)
    below = supervisor_spec("in", inner, restart=Restart.TRANSIENT, significant=significant)
    outer = puppets.make([below, puppets.child("other")], auto_shutdown=ANY)
    async with puppets.up(outer) as run:
        await puppets.end("worker")
        assert run.ended.is_set() == significant
        assert (states(outer)["other"] is State.RUNNING) == (not significant)
        (exited,) = puppets.of(Exited, "in")
        assert exited.exit.kind is ExitKind.SHUTDOWN


async def upgrade(puppets, before: AutoShutdown, after: AutoShutdown, *ends: bool) -> None:
    """Change the flag between two ends of significant children; `ends` says who ends all."""
    mode = ANY if before is NEVER else before
    top = pair(puppets, mode, Restart.TRANSIENT)
    async with puppets.up(top) as run:
        if before is NEVER:
            top.reconfigure(auto_shutdown=NEVER)
            await puppets.end("a")
            assert not run.ended.is_set()
        puppets.take()
        top.reconfigure(auto_shutdown=after)
        assert puppets.take() == []  # no child is touched
        for name, end in zip("ba" if before is NEVER else "ab", ends, strict=False):
            await puppets.end(name)
            assert run.ended.is_set() == end


async def test_significant_upgrade_never_any(puppets) -> None:
    """Adapted: reconfigure() is our live change of code."""
    await upgrade(puppets, NEVER, ANY, True)


async def test_significant_upgrade_any_never(puppets) -> None:
    """Adapted: reconfigure() is our live change of code."""
    await upgrade(puppets, ANY, NEVER, False, False)


async def test_significant_upgrade_never_all(puppets) -> None:
    """Adapted: reconfigure() is our live change of code; a ended before, so b is the last."""
    await upgrade(puppets, NEVER, ALL, True)


async def test_significant_upgrade_all_never(puppets) -> None:
    """Adapted: reconfigure() is our live change of code."""
    await upgrade(puppets, ALL, NEVER, False, False)


async def test_significant_upgrade_any_all(puppets) -> None:
    """Adapted: reconfigure() is our live change of code."""
    await upgrade(puppets, ANY, ALL, False, True)


async def test_significant_upgrade_all_any(puppets) -> None:
    """Adapted: reconfigure() is our live change of code."""
    await upgrade(puppets, ALL, ANY, True)


async def test_significant_upgrade_child(puppets) -> None:
    """Adapted: reconfigure() is our live change of code."""
    plain = puppets.child("a", restart=Restart.TRANSIENT)
    marked = puppets.child("a", restart=Restart.TRANSIENT, significant=True)
    other = puppets.child("b")
    top = puppets.make([plain, other], auto_shutdown=ANY)
    async with puppets.up(top) as run:
        await puppets.end("a")
        assert not run.ended.is_set()
        await top.restart_child("a")
        wrong = puppets.child("a", significant=True)
        with pytest.raises(SpecError, match="significant"):
            top.reconfigure([wrong, other])
        with pytest.raises(SpecError, match="significant"):
            top.reconfigure([marked, other], auto_shutdown=NEVER)
        assert top.get_childspec("a") is plain
        top.reconfigure([marked, other])
        assert not run.ended.is_set()
        await puppets.end("a")
        assert run.ended.is_set()
