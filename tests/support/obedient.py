"""An actor that does what its messages say, for tests of the library."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio
import trio.testing

from hive.actors import DEFERRED, Actor, ActorHost, ActorRef, Exit, Registry, Slot, spawn
from hive.supervisors import Context, Supervisor

Order = Callable[["Obedient"], object]


class Obedient(Actor):
    """A callable message is called with the actor; another one is noted, and is its own reply."""

    def __init__(self, registry: Registry | None = None) -> None:
        self.seen: list[object] = []
        self.infos: list[object] = []
        self.replies: list[Slot[object]] = []
        self.ended: Exit | None = None
        self._registry = registry

    async def init(self) -> None:
        if self._registry is not None:
            self._registry.register("obedient", self.ref)

    async def handle_call(self, message: object, reply: Slot[object]) -> object:
        if message == "defer":
            self.replies.append(reply)
            return DEFERRED
        return await self._obey(message)

    async def handle_cast(self, message: object) -> None:
        await self._obey(message)

    async def handle_info(self, message: object) -> None:
        self.infos.append(message)
        if callable(message):
            await self._obey(message)

    async def terminate(self, how: Exit) -> None:
        self.ended = how

    async def _obey(self, message: object) -> object:
        if not callable(message):
            self.seen.append(message)
            return message
        answer = message(self)
        return await answer if hasattr(answer, "__await__") else answer


def sleeps(seconds: float) -> Order:
    async def order(actor: Obedient) -> None:
        await trio.sleep(seconds)

    return order


def raises(error: BaseException) -> Order:
    def order(actor: Obedient) -> None:
        raise error

    return order


@asynccontextmanager
async def alone(actor: Actor, **how: object) -> AsyncIterator[ActorRef]:
    """An actor without a supervisor, cancelled afterwards; its crash is of no interest here."""

    async def guarded(task_status: trio.TaskStatus[ActorRef]) -> None:
        try:
            async with trio.open_nursery() as inner:
                host = ActorHost(lambda: actor, name="obedient", **how)  # type: ignore[arg-type]
                task_status.started(await spawn(inner, host))
        except* Exception:
            pass

    async with trio.open_nursery() as nursery:
        yield await nursery.start(guarded)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def serving(top: Supervisor) -> AsyncIterator[None]:
    """`async with serving(supervisor)`: up, and stopped in order afterwards."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(top.run, Context("top"))
        await trio.testing.wait_all_tasks_blocked()
        yield
        nursery.cancel_scope.cancel()
