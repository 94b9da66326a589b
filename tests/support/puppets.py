"""Children that do as a test says, and a supervisor above them, on a virtual clock."""

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio
import trio.testing
from attrs import define, field

from hive.supervisors import (
    Backoff,
    ChildSpec,
    Context,
    DynamicSupervisor,
    Event,
    RestartIntensity,
    State,
    Supervisor,
)

CRASH = ValueError("boom")
AT_ONCE = Backoff(initial=0, min=1e-6, max=1e-6, jitter=0)  # OTP knows no delay
SOON = 1e-3
GENEROUS = RestartIntensity(intensity=1000, period=10)


@define
class Run:
    """A supervisor that a test runs: `error` is what it raised, once `ended` is set."""

    ended: trio.Event = field(factory=trio.Event)
    error: BaseException | None = None


@define
class Puppets:
    """OTP's four test actors in one: normal, slow to stop, told how to start, told how to end.

    `inits` says what a start does: raise that, or, for "hang", nothing for ever.
    """

    log: list[str] = field(factory=list)
    events: list[Event] = field(factory=list)
    inits: dict[str, BaseException | str] = field(factory=dict)
    contexts: dict[str, Context] = field(factory=dict)
    living: dict[str, int] = field(factory=dict)
    _orders: dict[str, trio.MemorySendChannel[BaseException | None]] = field(factory=dict)

    def child(
        self, name: str, *, init: float = 0.0, stop: float = 0.0, **spec: object
    ) -> ChildSpec:
        """A child that is ready after `init` seconds and takes `stop` to stop."""

        async def start(ctx: Context) -> None:
            self.contexts[name] = ctx
            self.living[name] = self.living.get(name, 0) + 1
            assert self.living[name] == 1, f"two incarnations of {name}"
            self.log.append(f"+{name}")
            self._orders[name], orders = trio.open_memory_channel[BaseException | None](1)
            try:
                await trio.sleep(init)
                told = self.inits.get(name)
                if isinstance(told, BaseException):
                    raise told
                if told == "hang":
                    await trio.sleep_forever()
                ctx.ready(f"value of {name}")
                if (error := await orders.receive()) is not None:
                    raise error
            finally:
                if stop:
                    with trio.CancelScope(shield=True):
                        await trio.sleep(stop)
                self.living[name] -= 1
                self.log.append(f"-{name}")

        rest = {"init_timeout": math.inf, "backoff": AT_ONCE, **spec}
        return ChildSpec(name, start, **rest)  # type: ignore[arg-type]

    def order(self, name: str, error: BaseException | None = None) -> None:
        """Tell a child to return, or to raise."""
        self._orders[name].send_nowait(error)

    async def end(self, name: str, error: BaseException | None = None) -> None:
        """The same, and let what follows at once happen."""
        self.order(name, error)
        await settle()

    def make(self, children: Sequence[ChildSpec] = (), **flags: object) -> Supervisor:
        """A static supervisor without chance."""
        return Supervisor(children, **{"random": lambda: 0.0, **flags})  # type: ignore[arg-type]

    def dynamic(self, children: Sequence[ChildSpec] = (), **flags: object) -> DynamicSupervisor:
        """A dynamic supervisor without chance."""

        async def load() -> Sequence[ChildSpec]:
            return children

        return DynamicSupervisor(load, **{"random": lambda: 0.0, **flags})  # type: ignore[arg-type]

    @asynccontextmanager
    async def up(self, supervisor: Supervisor) -> AsyncIterator[Run]:
        """Run it as "top" for the block, then stop it in order."""
        ctx, run = Context("top", on_event=self.events.append), Run()

        async def serve() -> None:
            try:
                await supervisor.run(ctx)
            except Exception as error:
                run.error = error
            run.ended.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            await settle()
            yield run
            ctx.stop_requested.set()
            await run.ended.wait()
        assert not any(self.living.values()), "the supervisor ended before its children"

    def of(self, kind: type[Event], name: str | None = None) -> list[Event]:
        """The events of one class, of one child or of all."""
        return [
            event
            for event in self.events
            if isinstance(event, kind) and name in (None, event.path.rpartition("/")[2])
        ]

    def take(self) -> list[str]:
        """What children did since the last call: +a is a start, -a an end."""
        taken, self.log = self.log, []
        return taken


async def settle() -> None:
    """Let everything happen that takes no time."""
    await trio.sleep(SOON)


def states(supervisor: Supervisor) -> dict[str, State]:
    """The state of each child."""
    return {info.id: info.state for info in supervisor.which_children()}


def incarnations(supervisor: Supervisor) -> dict[str, int]:
    """How often each child was started."""
    return {info.id: info.incarnation for info in supervisor.which_children()}
