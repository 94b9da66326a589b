"""B. Specs as data."""

import math

import pytest

from hive.supervisors import (
    Backoff,
    ChildSpec,
    Context,
    OnSilence,
    Restart,
    SpecError,
    Supervisor,
    check_specs,
    supervisor_spec,
)


async def _start(ctx: Context) -> None:
    ctx.ready()


def _defaults(spec: ChildSpec) -> None:
    assert spec.restart is Restart.PERMANENT
    assert (spec.grace, spec.drain, spec.init_timeout) == (5.0, 0.0, 30.0)
    assert (spec.kind, spec.significant) == ("worker", False)
    assert (spec.watchdog, spec.on_silence) == (None, OnSilence.RESTART)
    assert spec.never_retry == ()
    assert spec.backoff == Backoff()


async def test_sup_start_map(puppets) -> None:
    given = puppets.child("b", restart=Restart.TRANSIENT, grace=7.0, significant=False)
    inner = supervisor_spec("in", Supervisor())
    top = puppets.make([ChildSpec("a", puppets.child("a").start), given, inner])
    async with puppets.up(top):
        _defaults(top.get_childspec("a"))
        assert top.get_childspec("b") is given
        assert top.get_childspec("in").kind == "supervisor"
        assert top.get_childspec("in").grace == math.inf


async def test_sup_start_map_simple(puppets) -> None:
    """Adapted: a dynamic supervisor has no template; each child has a spec of its own."""
    top = puppets.dynamic()
    async with puppets.up(top):
        await top.start_child(ChildSpec("a", puppets.child("a").start))
        _defaults(top.get_childspec("a"))


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: ChildSpec(start=_start), TypeError, "'id'"),
        (lambda: ChildSpec("a"), TypeError, "'start'"),
        (lambda: ChildSpec("a", _start, colour="red"), TypeError, "'colour'"),
        (lambda: Supervisor([{"id": "a", "start": _start}]), SpecError, "child 0 is a dict"),
        (lambda: Supervisor(["a"]), SpecError, "child 0 is a str; allowed: ChildSpec"),
        (lambda: check_specs([ChildSpec("a", _start), None]), SpecError, "child 1 is a NoneType"),
    ],
)
def test_sup_start_map_faulty_specs(make, error, text) -> None:
    """Adapted: a spec is a class, so a missing or an unknown key is a TypeError."""
    with pytest.raises(error, match=text):
        make()
