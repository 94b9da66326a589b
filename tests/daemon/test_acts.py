"""What an operator began is done to its end, also when he closes his terminal meanwhile."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import trio
import trio.testing
from support.operator_socket import listen

from hive.link import RemoteError, connect
from hive.operator import agents
from hive.operator.handlers import Act
from hive.paths import Paths
from hive.wire.agents import AgentCommand
from hive.wire.bodies import Body
from hive.wire.codec import PROTOCOL
from hive.wire.frames import Hello


class Fleet:
    """Its one act has two steps, and waits between them."""

    def __init__(self) -> None:
        self.begun, self.go, self.done = trio.Event(), trio.Event(), trio.Event()
        self.error: Exception | None = None

    async def restart(self, name: str) -> None:
        self.begun.set()
        await self.go.wait()
        self.done.set()
        if self.error is not None:
            raise self.error

    start = stop = restart


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    paths, fleet = Paths(tmp_path), Fleet()
    paths.prepare()

    async def record(_who: str, _act: Act, do: Callable[[], Awaitable[Body]]) -> Body:
        return await do()

    parts: Any = fleet
    audit: Any = SimpleNamespace(record=record)
    async with trio.open_nursery() as nursery:
        await listen(nursery, paths, agents.table(parts, Mock()), audit)
        yield fleet
        nursery.cancel_scope.cancel()


HELLO = Hello(PROTOCOL, "operator", "i")
RESTART = AgentCommand("ann", "restart")


@pytest.mark.parametrize("error", [None, ValueError("no such thing")])
async def test_who_goes_away_leaves_nothing_half_done(
    fleet: Fleet, tmp_path: Path, error: Exception | None
) -> None:
    fleet.error = error
    path = Paths(tmp_path).control
    async with connect(path, HELLO) as (peer, _):
        with trio.move_on_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(peer.request, RESTART, timeout=5))
                await fleet.begun.wait()
                nursery.cancel_scope.cancel()
    await trio.testing.wait_all_tasks_blocked(0.05)
    fleet.go.set()
    with trio.fail_after(5):
        await fleet.done.wait()
    async with connect(path, HELLO) as (peer, _):  # and the socket lives
        with pytest.raises(RemoteError):
            await peer.request(AgentCommand("ann", "fly"), timeout=5)


async def test_an_error_reaches_who_waits(fleet: Fleet, tmp_path: Path) -> None:
    fleet.error = ValueError("no such thing")
    fleet.go.set()
    async with connect(Paths(tmp_path).control, HELLO) as (peer, _):
        with pytest.raises(RemoteError, match="no such thing") as refused:
            await peer.request(RESTART, timeout=5)
    assert refused.value.code == "bad_request"
