"""A virtual clock, and gates whose hive is a test."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import trio
import trio.testing
from support.gate_fixture import GateFixture

from hive.gate import GateService
from hive.supervisors import Context


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return ("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})


@pytest.fixture
def hive() -> GateFixture:
    return GateFixture()


@pytest.fixture
def running() -> Callable[[GateService], AbstractAsyncContextManager[GateService]]:
    """`async with running(gates):` the supervisor runs in the block, then stops in order."""

    @asynccontextmanager
    async def run(gates: GateService) -> AsyncIterator[GateService]:
        ready = trio.Event()
        ctx = Context("hive/gate", on_ready=lambda _: ready.set())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gates.supervisor.run, ctx)
            with trio.fail_after(10):
                await ready.wait()
            yield gates
            ctx.stop_requested.set()

    return run
