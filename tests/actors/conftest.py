"""A virtual clock for all tests here, and a host for one actor."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import trio
import trio.testing

from hive.actors import Actor, ActorHost, ActorRef, ChildListener


class Parent:
    """A supervisor's side, as far as an actor can see it."""

    def __init__(self, incarnation: int = 1) -> None:
        self.path = "test/actor"
        self.incarnation = incarnation
        self.stop_requested = trio.Event()
        self.was_ready = trio.Event()
        self.ticks: list[float] = []

    def ready(self, value: object = None) -> None:
        self.was_ready.set()

    def tick(self) -> None:
        self.ticks.append(trio.current_time())

    def on_report(self, messages: Callable[[], Iterable[object]]) -> None:
        self.report = messages

    def on_suspend(self, halt: Callable[[bool], None]) -> None:
        self.halt = halt

    def attach(self, listener: ChildListener) -> bool:
        return False

    def unpark(self) -> None:
        raise AssertionError("nothing is parked here")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return ("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})


@pytest.fixture
def running() -> Callable[..., AbstractAsyncContextManager[ActorRef]]:
    """`async with running(Factory, capacity=…) as ref`: one incarnation, cancelled afterwards.

    How it ended is of no interest here; a monitor tells those who care.
    """

    @asynccontextmanager
    async def run(
        factory: Callable[[], Actor], parent: Parent | None = None, **how: object
    ) -> AsyncIterator[ActorRef]:
        host = ActorHost(factory, name="actor", **how)  # type: ignore[arg-type]
        parent = parent or Parent()

        async def live() -> None:
            try:
                await host.run(parent)
            except Exception:
                pass

        async with trio.open_nursery() as nursery:
            nursery.start_soon(live)
            await trio.testing.wait_all_tasks_blocked()
            yield host.ref
            nursery.cancel_scope.cancel()

    return run


@pytest.fixture
def parent() -> Parent:
    return Parent()
