"""Random requests and failures at random times; what is promised must hold after each step."""

import math
import os

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hive.supervisors import (
    Backoff,
    ChildSpec,
    Context,
    IntensityExceeded,
    NotFound,
    NotRunning,
    NotStopped,
    Park,
    Restart,
    RestartIntensity,
    StartFailed,
    State,
    StillRunning,
    Strategy,
    Supervisor,
    supervisor_spec,
)

EXAMPLES = int(os.environ.get("STRESS", "40"))
NAMES = "abcd"
FAST = Backoff(initial=0, min=0.5, factor=2, max=4, jitter=0.5, healthy_after=20)


class Stage:
    """Children that end, fail to start, park or are slow to stop, as told by name."""

    def __init__(self) -> None:
        self.alive: dict[str, int] = {}
        self.ends: dict[str, trio.MemorySendChannel[BaseException | None]] = {}
        self.fail_init: set[str] = set()
        self.slow: set[str] = set()

    def child(self, name: str, restart: Restart) -> ChildSpec:
        async def start(ctx: Context) -> None:
            self.alive[name] = self.alive.get(name, 0) + 1
            assert self.alive[name] == 1, f"two incarnations of {name}"
            send, receive = trio.open_memory_channel[BaseException | None](1)
            self.ends[name] = send
            try:
                await trio.sleep(0.25)
                if name in self.fail_init:
                    raise OSError("init")
                ctx.ready()
                error = await receive.receive()
                if error is not None:
                    raise error
            finally:
                if name in self.slow:
                    with trio.CancelScope(shield=True):
                        await trio.sleep(3)
                self.alive[name] -= 1
                send.close()
                receive.close()

        return ChildSpec(name, start, restart=restart, grace=1.0, backoff=FAST, park_jitter=0.5)


ends = st.sampled_from([None, ValueError("boom"), Park("rest", 5.0), Park("rest")])
steps = st.one_of(
    st.tuples(st.just("end"), st.sampled_from(NAMES), ends),
    st.tuples(st.sampled_from(["fail_init", "heal", "slow", "quick"]), st.sampled_from(NAMES)),
    st.tuples(
        st.sampled_from(["kick", "park", "unpark", "terminate", "restart", "delete"]),
        st.sampled_from(NAMES),
    ),
    st.tuples(st.just("sleep"), st.sampled_from([0.0, 0.1, 0.3, 1.0, 5.0])),
)


async def do(stage: Stage, top: Supervisor, step: tuple, nursery: trio.Nursery) -> None:
    match step:
        case ("end", name, error):
            if stage.alive.get(name):
                try:
                    stage.ends[name].send_nowait(error)
                except (trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
                    pass
        case ("fail_init", name):
            stage.fail_init.add(name)
        case ("heal", name):
            stage.fail_init.discard(name)
        case ("slow", name):
            stage.slow.add(name)
        case ("quick", name):
            stage.slow.discard(name)
        case ("sleep", seconds):
            await trio.sleep(seconds)
        case ("terminate" | "restart" as verb, name):
            nursery.start_soon(ask, getattr(top, f"{verb}_child"), name)
        case ("park", name):
            await ask_now(top.park, name, "held")
        case ("delete", name):
            await ask_now(top.delete_child, name)
        case (verb, name):
            await ask_now(getattr(top, verb), name)


async def ask(request, name: str) -> None:
    try:
        await request(name)
    except (NotFound, NotStopped, NotRunning, StillRunning, StartFailed):
        pass


async def ask_now(request, *args: object) -> None:
    await trio.lowlevel.checkpoint()
    try:
        request(*args)
    except (NotFound, NotRunning, StillRunning):
        pass


def check(stage: Stage, top: Supervisor) -> None:
    for child in top.snapshot().children:
        alive = stage.alive.get(child.id, 0)
        assert alive in (0, 1)
        if child.state in (State.BACKOFF, State.PARKED, State.STOPPED, State.FAILED):
            assert not alive, f"{child.id} is {child.state} and lives"
        if child.state is State.RUNNING:
            assert alive, f"{child.id} is running and does not live"


async def scenario(strategy: Strategy, restarts: list[Restart], script: list[tuple]) -> None:
    stage = Stage()
    specs = [stage.child(name, kind) for name, kind in zip(NAMES, restarts, strict=True)]
    top = Supervisor(
        specs, strategy=strategy, intensity=RestartIntensity(intensity=10_000, period=1)
    )
    outer = Supervisor([supervisor_spec("in", top)])
    ctx, ended = Context("top"), trio.Event()

    async def serve() -> None:
        await outer.run(ctx)
        ended.set()

    async with trio.open_nursery() as nursery, trio.open_nursery() as askers:
        nursery.start_soon(serve)
        await trio.sleep(2)
        for step in script:
            await do(stage, top, step, askers)
            check(stage, top)
        stage.fail_init.clear()
        stage.slow.clear()
        await trio.sleep(60)
        check(stage, top)
        for child in top.snapshot().children:  # nothing is forgotten half-way
            assert child.state in (State.RUNNING, State.STOPPED, State.FAILED, State.PARKED), child
            assert child.reason != "waits for its turn"
            assert child.state is not State.PARKED or child.until is None
        ctx.stop_requested.set()
        with trio.fail_after(60):
            await ended.wait()
        assert not any(stage.alive.values())
        assert {node.state for node in outer.snapshot().walk()} <= {State.STOPPED, State.FAILED}


@pytest.mark.stress
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(Strategy),
    st.lists(st.sampled_from(Restart), min_size=4, max_size=4),
    st.lists(steps, max_size=25),
)
def test_random_requests_and_failures(strategy, restarts, script) -> None:
    clock = trio.testing.MockClock(autojump_threshold=0)
    trio.run(scenario, strategy, restarts, script, clock=clock)


@pytest.mark.stress
@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.sampled_from(Strategy),
    st.lists(st.sampled_from(Restart), min_size=4, max_size=4),
    st.lists(steps, max_size=15),
    st.floats(0, 10),
)
def test_a_stop_at_any_moment_leaves_nothing_alive(strategy, restarts, script, moment) -> None:
    async def run() -> None:
        stage = Stage()
        specs = [stage.child(name, kind) for name, kind in zip(NAMES, restarts, strict=True)]
        top = Supervisor(
            specs, strategy=strategy, intensity=RestartIntensity(intensity=3, period=2)
        )
        with trio.move_on_after(moment):
            async with trio.open_nursery() as nursery, trio.open_nursery() as askers:

                async def serve() -> None:
                    try:
                        await top.run(Context("top"))
                    except (IntensityExceeded, StartFailed):
                        pass

                nursery.start_soon(serve)
                for step in script:
                    await do(stage, top, step, askers)
                await trio.sleep(math.inf)
        assert not any(stage.alive.values())
        assert not top._serving

    trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))
