"""E. Restart types."""

import traceback

import pytest
import trio
from support.puppets import CRASH, incarnations, states

from hive.supervisors import (
    ChildSpec,
    Context,
    Escalated,
    Restart,
    Shutdown,
    StartFailed,
    State,
    Supervisor,
    cause_chain,
    run_root,
)

KEPT = {"a": State.STOPPED}
AGAIN = {"a": State.RUNNING}
SHUTDOWNS = pytest.mark.parametrize("error", [Shutdown(), Shutdown("with detail")])


async def outcome(puppets, restart: Restart, error: BaseException | None):
    """The states after one child has ended, and how often it was started."""
    top = puppets.make([puppets.child("a", restart=restart)])
    async with puppets.up(top) as run:
        await puppets.end("a", error)
        assert not run.ended.is_set()
        return states(top), incarnations(top).get("a")


async def test_permanent_normal(puppets) -> None:
    assert await outcome(puppets, Restart.PERMANENT, None) == (AGAIN, 2)


async def test_transient_normal(puppets) -> None:
    assert await outcome(puppets, Restart.TRANSIENT, None) == (KEPT, 1)


async def test_temporary_normal(puppets) -> None:
    assert await outcome(puppets, Restart.TEMPORARY, None) == ({}, None)


@SHUTDOWNS
async def test_permanent_shutdown(puppets, error) -> None:
    assert await outcome(puppets, Restart.PERMANENT, error) == (AGAIN, 2)


@SHUTDOWNS
async def test_transient_shutdown(puppets, error) -> None:
    assert await outcome(puppets, Restart.TRANSIENT, error) == (KEPT, 1)


@SHUTDOWNS
async def test_temporary_shutdown(puppets, error) -> None:
    assert await outcome(puppets, Restart.TEMPORARY, error) == ({}, None)


async def test_faulty_application_shutdown(puppets) -> None:
    """Adapted: an application is what run_root runs; its start error is the Escalated event."""

    async def faulty(ctx: Context) -> None:
        raise OSError("no disk")

    top = Supervisor([puppets.child("first"), ChildSpec("faulty", faulty), puppets.child("last")])
    with trio.fail_after(60):
        assert await run_root(top, name="top", signals=False, sink=puppets.events.append) == 1
    (escalated,) = puppets.of(Escalated)
    failed, cause = cause_chain(escalated.cause)
    assert isinstance(failed, StartFailed)
    assert failed.path == "top/faulty"
    assert isinstance(cause, OSError)
    assert "in faulty" in "".join(traceback.format_exception(cause))
    assert puppets.take() == ["+first", "-first"]


async def test_permanent_abnormal(puppets) -> None:
    assert await outcome(puppets, Restart.PERMANENT, CRASH) == (AGAIN, 2)


async def test_transient_abnormal(puppets) -> None:
    assert await outcome(puppets, Restart.TRANSIENT, CRASH) == (AGAIN, 2)


async def test_temporary_abnormal(puppets) -> None:
    assert await outcome(puppets, Restart.TEMPORARY, CRASH) == ({}, None)
