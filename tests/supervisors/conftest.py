"""A virtual clock for all tests here, and a tree whose children do as the test says."""

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from attrs import define, field

from hive.supervisors import ChildSpec, Context, Event, Supervisor


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return ("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})


@define
class Script:
    """Makes children, tells them to end, and records what they and their supervisors do."""

    log: list[str] = field(factory=list)
    events: list[Event] = field(factory=list)
    contexts: dict[str, Context] = field(factory=dict)
    ends: dict[str, trio.Event] = field(factory=dict)
    errors: dict[str, BaseException | None] = field(factory=dict)
    fail_init: dict[str, BaseException] = field(factory=dict)

    def child(
        self, name: str, *, init: float = 0.0, ready: bool = True, stop: float = 0.0, **spec: object
    ) -> ChildSpec:
        """A child that is ready after `init`, ends as told by `end`, and takes `stop` to stop."""

        async def start(ctx: Context) -> None:
            self.contexts[name] = ctx
            self.ends[name] = trio.Event()
            self.log.append(f"+{name}")
            try:
                await trio.sleep(init)
                if name in self.fail_init:
                    raise self.fail_init[name]
                if ready:
                    ctx.ready(f"value of {name}")
                await self.ends[name].wait()
                error = self.errors[name]
                if error is not None:
                    raise error
            finally:
                if stop:
                    with trio.CancelScope(shield=True):
                        await trio.sleep(stop)
                self.log.append(f"-{name}")

        return ChildSpec(name, start, **{"init_timeout": math.inf, **spec})  # type: ignore[arg-type]

    async def end(self, name: str, error: BaseException | None = None) -> None:
        """Let the running incarnation of a child return, or raise; then let things settle."""
        self.errors[name] = error
        self.ends[name].set()
        await trio.testing.wait_all_tasks_blocked()

    def of(self, kind: type[Event]) -> list[Event]:
        """The events of one class."""
        return [event for event in self.events if isinstance(event, kind)]

    def take(self) -> list[str]:
        """What children did since the last call."""
        taken, self.log = self.log, []
        return taken

    def make(self, children: Sequence[ChildSpec], **flags: object) -> Supervisor:
        """A supervisor without chance: delays are what the specs say."""
        return Supervisor(children, random=lambda: 0.0, **flags)  # type: ignore[arg-type]

    @asynccontextmanager
    async def running(self, supervisor: Supervisor) -> AsyncIterator[Supervisor]:
        """Run it as "top" for the block, then stop it in order; its error leaves the block."""
        ctx = Context("top", on_event=self.events.append)
        errors: list[BaseException] = []

        async def run() -> None:
            try:
                await supervisor.run(ctx)
            except Exception as error:
                errors.append(error)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await trio.testing.wait_all_tasks_blocked()
            yield supervisor
            ctx.stop_requested.set()
        if errors:
            raise errors[0]


@pytest.fixture
def script() -> Script:
    return Script()
