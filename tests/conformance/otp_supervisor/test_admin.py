"""D. The API of an administrator, and validation."""

import itertools
import math

import pytest
from support.puppets import CRASH, incarnations, states

from hive.supervisors import (
    AlreadyPresent,
    AutoShutdown,
    Backoff,
    ChildSpec,
    Context,
    DynamicSupervisor,
    NotFound,
    Restart,
    RestartIntensity,
    SpecError,
    State,
    StillRunning,
    Supervisor,
    check_specs,
)


async def _start(ctx: Context) -> None:
    ctx.ready()


async def test_child_adm(puppets) -> None:
    top = puppets.make()
    async with puppets.up(top):
        spec = puppets.child("a")
        assert await top.start_child(spec) == "value of a"
        with pytest.raises(AlreadyPresent, match="running"):
            await top.start_child(spec)
        with pytest.raises(StillRunning):
            top.delete_child("a")
        with pytest.raises(StillRunning):
            await top.restart_child("a")
        await top.terminate_child("a")
        await top.terminate_child("a")  # twice is no error
        assert states(top) == {"a": State.STOPPED}
        with pytest.raises(AlreadyPresent, match="stopped"):
            await top.start_child(spec)
        assert await top.restart_child("a") == "value of a"
        assert incarnations(top) == {"a": 2}
        await top.terminate_child("a")
        top.delete_child("a")
        assert states(top) == {}
        for unknown in ("a", "nobody", spec, puppets.contexts["a"]):
            with pytest.raises(NotFound):
                await top.terminate_child(unknown)
            with pytest.raises(NotFound):
                await top.restart_child(unknown)
            with pytest.raises(NotFound):
                top.delete_child(unknown)
            with pytest.raises(NotFound):
                top.get_childspec(unknown)


async def test_child_adm_simple(puppets) -> None:
    """Adapted: children have ids; what was terminated is forgotten, so its id is unknown then."""
    top = puppets.dynamic()
    async with puppets.up(top):
        spec = puppets.child("a")
        await top.start_child(spec)
        with pytest.raises(AlreadyPresent):
            await top.start_child(spec)
        with pytest.raises(StillRunning):
            await top.restart_child("a")
        with pytest.raises(StillRunning):
            top.delete_child("a")
        await top.terminate_child("a")
        assert states(top) == {}
        for gone in ("a", "nobody"):
            with pytest.raises(NotFound):
                await top.terminate_child(gone)
            with pytest.raises(NotFound):
                await top.restart_child(gone)
            with pytest.raises(NotFound):
                top.delete_child(gone)


async def test_extra_return(puppets) -> None:
    """Adapted: what OTP returns beside the pid is the value that a child gives to ready()."""
    top = puppets.make()
    async with puppets.up(top):
        assert await top.start_child(puppets.child("a")) == "value of a"
        await top.terminate_child("a")
        assert await top.restart_child("a") == "value of a"
        await puppets.end("a", CRASH)
        assert (states(top), incarnations(top)) == ({"a": State.RUNNING}, {"a": 3})


@pytest.mark.parametrize(
    ("field", "bad", "good"),
    [
        ("id", ["", "a\nb", 3, None], ["a", "a/b", "ü"]),
        ("start", [None, "start", 3], [_start]),
        ("restart", ["permanent", None, "prmanent"], list(Restart)),
        ("grace", [-1, "5", None, math.nan, True], [0, 5, math.inf]),
        ("drain", [-1, math.inf, math.nan], [0, 5]),
        ("init_timeout", [0, -1, math.nan], [1, math.inf]),
        ("watchdog", [0, -1, math.inf, "1"], [None, 1]),
        ("kind", ["wrker", None, 3], ["worker", "supervisor"]),
        ("never_retry", [ValueError, [ValueError], (3,), (KeyboardInterrupt,)], [(), (OSError,)]),
        ("on_silence", ["restart", None], []),
        ("backoff", [Backoff(min=0), Backoff(jitter=2), Backoff(factor=0.5)], [Backoff()]),
        ("park_backoff", [Backoff(min=9, max=1)], [Backoff()]),
        ("park_jitter", [-1, math.nan], [0, 5]),
    ],
)
def test_child_specs(field, bad, good) -> None:
    """Adapted: one form of spec, not two; an enum is not to be replaced by its text."""
    for value in bad:
        with pytest.raises(SpecError, match=field) as caught:
            check_specs([ChildSpec(**{"id": "a", "start": _start, field: value})])
        assert (
            "allowed" in str(caught.value)
            or "must" in str(caught.value)
            or "needs" in str(caught.value)
        )
    for value in good:
        check_specs([ChildSpec(**{"id": "a", "start": _start, field: value})])
    with pytest.raises(SpecError, match="occurs twice"):
        check_specs([ChildSpec("a", _start), ChildSpec("b", _start), ChildSpec("a", _start)])


@pytest.mark.parametrize("maker", [Supervisor, DynamicSupervisor])
def test_child_specs_map(maker) -> None:
    forms = itertools.product(
        [True, False], AutoShutdown, Restart, [0, 5, math.inf], ["worker", "supervisor"]
    )
    for significant, mode, restart, grace, kind in forms:
        spec = ChildSpec("a", _start, restart, significant=significant, grace=grace, kind=kind)
        legal = not significant or (
            mode is not AutoShutdown.NEVER and restart is not Restart.PERMANENT
        )
        if legal:
            check_specs([spec], auto_shutdown=mode)
        else:
            with pytest.raises(SpecError, match="significant"):
                check_specs([spec], auto_shutdown=mode)


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ({"strategy": "one_for_one"}, "strategy"),
        ({"strategy": None}, "strategy"),
        ({"intensity": RestartIntensity(intensity=-1)}, "intensity"),
        ({"intensity": RestartIntensity(intensity=1.5)}, "intensity"),
        ({"intensity": RestartIntensity(period=0)}, "period"),
        ({"intensity": RestartIntensity(period=math.inf)}, "period"),
        ({"intensity": RestartIntensity(in_a_row=-1)}, "in_a_row"),
        ({"intensity": (1, 5)}, "intensity"),
        ({"auto_shutdown": "never"}, "auto_shutdown"),
    ],
)
def test_sup_flags(flags, text) -> None:
    with pytest.raises(SpecError, match=f"{text}.*allowed"):
        Supervisor(**flags)
