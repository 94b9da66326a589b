"""Whatever ends an actor, and whenever: each call gets its answer, or hears that none will come."""

import math
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from trio._core import _run as trio_run

from hive.actors import (
    DEFERRED,
    Actor,
    ActorDied,
    ActorError,
    ActorHost,
    ActorParked,
    MailboxFull,
    Park,
    Slot,
)
from hive.supervisors import (
    Backoff,
    ChildSpec,
    Context,
    RestartIntensity,
    Strategy,
    Supervisor,
    SupervisorError,
)

KEPT = ("defer", "postpone")
"""Calls that the actor may keep open for as long as it lives."""


class Touchy(Actor):
    """Ends, waits or keeps the call, as the message says."""

    def __init__(self, *, crashes_at_start: bool = False) -> None:
        self.crashes_at_start = crashes_at_start
        self.kept: list[Slot[Any]] = []

    async def init(self) -> None:
        if self.crashes_at_start:
            raise OSError("no start")

    async def handle_call(self, message: Any, reply: Slot[Any]) -> Any:
        if message == "defer":
            self.kept.append(reply)
            return DEFERRED
        if message == "postpone":
            return self.postpone()
        await self.handle_cast(message)
        return message

    async def handle_cast(self, message: Any) -> None:
        match message:
            case "crash":
                raise ValueError("without an await")
            case "crash later":
                await trio.lowlevel.checkpoint()
                raise ValueError("after an await")
            case "rest":
                raise Park("rests", trio.current_time() + 50)
            case "sleep":
                await trio.sleep(1)
            case "retry":
                self.retry()


@pytest.fixture(autouse=True)
def shuffled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(trio_run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    yield


async def test_a_call_that_was_just_admitted_hears_of_a_crash_without_an_await() -> None:
    heard: list[tuple[float, str]] = []
    host = ActorHost(Touchy, name="touchy", capacity=1)
    top = Supervisor([ChildSpec("touchy", host.run)])

    async def ask(message: str) -> None:
        with pytest.raises(ActorDied):
            await host.ref.call(message, timeout=math.inf)
        heard.append((trio.current_time(), message))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(top.run, Context("top"))
        await trio.testing.wait_all_tasks_blocked()
        await host.ref.cast("sleep")
        await trio.testing.wait_all_tasks_blocked()
        await host.ref.cast("crash")  # fills the mailbox
        for message in ("first", "second"):  # the crash admits the first of them
            nursery.start_soon(ask, message)
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert sorted(heard) == [(1, "first"), (1, "second")]


async def test_a_call_that_was_to_end_a_park_hears_of_the_operators_park() -> None:
    host = ActorHost(Touchy, name="touchy", unparked_by=lambda message: message == "wake")
    slow = ChildSpec("first", _takes_long_to_start)
    spec = ChildSpec("touchy", host.run, park_jitter=0)
    top = Supervisor([slow, spec], strategy=Strategy.REST_FOR_ONE)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(top.run, Context("top"))
        await trio.sleep(20)
        await host.ref.cast("rest")
        await trio.sleep(1)
        top.kick("first")  # so that who wakes up now has to wait for its turn
        await trio.sleep(1)

        async def wake() -> None:
            with pytest.raises(ActorParked, match="by the operator"):
                await host.ref.call("wake", timeout=math.inf)
            woken.set()

        woken = trio.Event()
        nursery.start_soon(wake)
        await trio.testing.wait_all_tasks_blocked()
        top.park("touchy", "by the operator")
        with trio.fail_after(5):
            await woken.wait()
        nursery.cancel_scope.cancel()


async def _takes_long_to_start(ctx: Context) -> None:
    await trio.sleep(10)
    ctx.ready()
    await trio.sleep_forever()


MESSAGES = st.sampled_from(
    ["x", "crash", "crash later", "rest", "sleep", "retry", "wake", *KEPT],
)
STEP = st.one_of(
    st.tuples(st.sampled_from(["call", "cast"]), MESSAGES),
    st.tuples(st.sampled_from(["park", "unpark", "kick", "terminate_child", "restart_child"])),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.5, 60.0])),
    st.tuples(st.just("yield")),
)


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    capacity=st.integers(1, 3),
    bad_starts=st.sets(st.integers(2, 6)),
    steps=st.lists(STEP, max_size=40),
)
def test_each_call_ends_whatever_happens_to_its_actor(
    seed: int, capacity: int, bad_starts: set[int], steps: list[tuple[Any, ...]]
) -> None:
    trio_run._r.seed(seed)
    starts = 0
    open_calls: list[str] = []

    def make() -> Touchy:
        nonlocal starts
        starts += 1
        return Touchy(crashes_at_start=starts in bad_starts)

    async def call(message: str) -> None:
        open_calls.append(message)
        with suppress(ActorError, MailboxFull):
            assert await host.ref.call(message, timeout=math.inf) == message
        open_calls.remove(message)

    async def cast(message: str) -> None:
        with suppress(ActorError):
            await host.ref.cast(message)

    async def main() -> None:
        top = Supervisor([spec], intensity=RestartIntensity(1000, 1))
        async with trio.open_nursery() as callers, trio.open_nursery() as nursery:
            ctx = Context("top")
            nursery.start_soon(top.run, ctx)
            await trio.testing.wait_all_tasks_blocked()
            for step in steps:
                match step:
                    case ("call", message):
                        callers.start_soon(call, message)
                    case ("cast", message):
                        callers.start_soon(cast, message)
                    case ("wait", seconds):
                        await trio.sleep(seconds)
                    case ("yield",):
                        await trio.lowlevel.checkpoint()
                    case ("park",):
                        top.park("touchy", "by the operator", trio.current_time() + 20)
                    case (order,):
                        nursery.start_soon(_order, getattr(top, order))
            await trio.sleep(1000)
            assert not [one for one in open_calls if one not in KEPT], "nobody will answer these"
            ctx.stop_requested.set()
            await trio.sleep(1000)
            assert not open_calls, "their actor is gone"

    host = ActorHost(
        make, name="touchy", capacity=capacity, unparked_by=lambda message: message == "wake"
    )
    spec = ChildSpec("touchy", host.run, backoff=Backoff(initial=0.1), park_jitter=0)
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


async def _order(act: Any) -> None:
    with suppress(SupervisorError):
        answer = act("touchy")
        if answer is not None:
            await answer
