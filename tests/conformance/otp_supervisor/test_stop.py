"""C. Stop."""

import math

import pytest
import trio
from support.puppets import CRASH, settle

from hive.supervisors import Exited, ExitKind, Overdue, Restart, Shutdown, Started

ENDS = {
    "normal": (None, ExitKind.NORMAL),
    "shutdown": (Shutdown(), ExitKind.SHUTDOWN),
    "detail": (Shutdown("detail"), ExitKind.SHUTDOWN),
    "crash": (CRASH, ExitKind.CRASHED),
}


async def test_sup_stop_infinity(puppets) -> None:
    top = puppets.make([puppets.child("a", stop=1e6, grace=math.inf), puppets.child("b")])
    async with puppets.up(top):
        pass
    assert trio.current_time() > 1e6
    assert not puppets.of(Overdue)
    assert all(event.exit.clean for event in puppets.of(Exited))


async def test_sup_stop_timeout(puppets) -> None:
    """Adapted: Trio cannot kill; the sleeper is overdue after its grace and passed over."""
    top = puppets.make([puppets.child("a"), puppets.child("b", stop=60, grace=2)])
    async with puppets.up(top):
        began = trio.current_time()
    (overdue,) = puppets.of(Overdue)
    assert (overdue.path, overdue.at - began) == ("top/b", 2)
    ends = {event.path: event for event in puppets.of(Exited)}
    assert ends["top/a"].exit.kind is ExitKind.SHUTDOWN
    assert ends["top/a"].at - began == 2


async def test_sup_stop_timeout_dynamic(puppets) -> None:
    """Adapted: Trio cannot kill; the sleeper is overdue after its grace."""
    top = puppets.dynamic([puppets.child("a"), puppets.child("b", stop=60, grace=2)])
    async with puppets.up(top):
        began = trio.current_time()
    (overdue,) = puppets.of(Overdue)
    assert (overdue.path, overdue.at - began) == ("top/b", 2)
    ends = {event.path: event for event in puppets.of(Exited)}
    assert ends["top/a"].at == began


async def test_sup_stop_brutal_kill(puppets) -> None:
    """Adapted: brutal is a cancellation without grace; who obeys it ends as told."""
    top = puppets.make([puppets.child("a", stop=1, grace=5), puppets.child("b", stop=1, grace=0)])
    async with puppets.up(top):
        pass
    assert [event.path for event in puppets.of(Overdue)] == ["top/b"]


async def test_sup_stop_brutal_kill_dynamic(puppets) -> None:
    """Adapted: brutal is a cancellation without grace; who obeys it ends as told."""
    top = puppets.dynamic([puppets.child(str(n), grace=0) for n in range(10)])
    async with puppets.up(top):
        began = trio.current_time()
    assert trio.current_time() == began
    assert [event.exit.kind for event in puppets.of(Exited)] == [ExitKind.SHUTDOWN] * 10
    assert not puppets.of(Overdue)


@pytest.mark.parametrize("restart", Restart)
@pytest.mark.parametrize("end", ENDS)
async def test_sup_stop_race(puppets, restart, end) -> None:
    error, kind = ENDS[end]
    slow = puppets.child("slow", stop=1)
    top = puppets.make([puppets.child("a", restart=restart), slow])
    async with puppets.up(top) as run:
        top.stop()
        await settle()
        await puppets.end("a", error)
    assert run.error is None
    assert {event.path: event.exit.kind for event in puppets.of(Exited)} == {
        "top/a": kind,
        "top/slow": ExitKind.SHUTDOWN,
    }
    assert len(puppets.of(Started)) == 2


@pytest.mark.parametrize("restart", Restart)
@pytest.mark.parametrize("end", ENDS)
async def test_sup_stop_non_shutdown_exit_dynamic(puppets, restart, end) -> None:
    error, kind = ENDS[end]
    children = [puppets.child("a", restart=restart), puppets.child("slow", stop=1)]
    top = puppets.dynamic(children, width=1)
    async with puppets.up(top) as run:
        top.stop()
        await settle()
        await puppets.end("a", error)
    assert run.error is None
    (exited,) = puppets.of(Exited, "a")
    assert exited.exit.kind is kind
    assert exited.exit.error is (error if kind is ExitKind.CRASHED else None)
    assert len(puppets.of(Started)) == 2
