"""The state machine without tasks: any order of readiness, ends, time and requests."""

from itertools import pairwise

import trio
import trio.testing
from attrs import define, evolve, field
from hypothesis import given, settings
from hypothesis import strategies as st

from hive.supervisors import (
    AutoShutdown,
    Backoff,
    ChildSpec,
    Context,
    Event,
    Ignored,
    Park,
    Restart,
    RestartIntensity,
    RetryAfter,
    Shutdown,
    State,
    Strategy,
    requests,
)
from hive.supervisors.flags import SupervisorFlags
from hive.supervisors.machine import Machine

NAMES = "abcd"
STEPS = Backoff(initial=0, min=1, factor=2, max=8, jitter=0, healthy_after=20)
IDLE = (State.BACKOFF, State.PARKED, State.STOPPED, State.FAILED)


async def _start(ctx: Context) -> None: ...


@define(eq=False)
class Life:
    """One incarnation, played by the test."""

    name: str
    ctx: Context
    scope: trio.CancelScope
    on_exit: object
    ended: bool = False


@define(eq=False)
class Bench:
    """A machine whose tasks are puppets. Checks each start and each stop as it happens."""

    machine: Machine
    lives: list[Life] = field(factory=list)
    events: list[Event] = field(factory=list)

    def spawn(self, child, ctx, scope, on_exit) -> None:
        assert not self.alive(child.spec.id), f"two incarnations of {child.spec.id}"
        assert child.state is State.STARTING
        self.lives.append(Life(child.spec.id, ctx, scope, on_exit))

    def alive(self, name: str) -> list[Life]:
        return [life for life in self.lives if life.name == name and not life.ended]

    def go_on(self) -> bool:
        """What the control loop does; and the invariants."""
        for _ in range(50):
            ended = self.machine.advance()
            self.machine.fire_timers()
            self.machine.incarnations.deliver_events()
            if not self.machine.incarnations.changed.is_set():
                break
            self.machine.incarnations.changed = trio.Event()
        else:
            raise AssertionError("the machine does not come to rest")
        for child in self.machine.children.values():
            alive = self.alive(child.spec.id)
            assert child.alive == bool(alive)
            assert not (child.state in IDLE and alive), child
            assert (child.until is not None) <= (child.state in (State.BACKOFF, State.PARKED))
        return ended

    def asked(self) -> list[Life]:
        """Those that are told to stop and have not ended."""
        return [life for life in self.lives if not life.ended and life.ctx.stop_requested.is_set()]

    def end(self, life: Life, error: BaseException | None = None) -> None:
        """As the end of its task."""
        life.ended = True
        life.on_exit(error)


def make(
    strategy: Strategy, restarts: list[Restart], intensity: RestartIntensity, width: int = 1
) -> Bench:
    flags = SupervisorFlags(strategy, intensity, AutoShutdown.NEVER, lambda: 0.0, width)
    specs = [
        ChildSpec(name, _start, restart, grace=5, backoff=STEPS, park_jitter=0)
        for name, restart in zip(NAMES, restarts, strict=False)
    ]
    bench = Bench.__new__(Bench)
    events: list[Event] = []
    machine = Machine(flags, Context("top"), events.append, specs)
    bench.__init__(machine, events=events)  # type: ignore[misc]
    machine.begin(bench.spawn)
    bench.go_on()
    return bench


ENDS = [None, ValueError("x"), Shutdown("d"), Park("p"), Park("p", 5.0), Ignored(), RetryAfter(3)]
names = st.sampled_from(NAMES)
moves = st.lists(
    st.one_of(
        st.tuples(st.just("ready"), names),
        st.tuples(st.just("end"), names, st.sampled_from(ENDS)),
        st.tuples(st.sampled_from(["kick", "terminate", "unpark", "restart", "delete"]), names),
        st.tuples(st.just("park"), names, st.sampled_from([None, 10.0])),
        st.tuples(st.just("suspend"), names),
        st.tuples(st.just("time"), st.sampled_from([0.5, 1.0, 6.0, 30.0])),
        st.tuples(st.just("strategy"), st.sampled_from(Strategy)),
    ),
    max_size=40,
)
kinds = st.lists(st.sampled_from(Restart), min_size=4, max_size=4)


def play(bench: Bench, move: tuple, clock: trio.testing.MockClock) -> None:
    machine = bench.machine
    match move:
        case ("ready", name):
            for life in bench.alive(name):
                life.ctx.ready()
        case ("end", name, error):
            for life in bench.alive(name):
                bench.end(life, error)
        case ("time", seconds):
            clock.jump(seconds)
        case ("strategy", strategy):
            machine.flags = evolve(machine.flags, strategy=strategy)
        case ("park", name, until):
            _ask(requests.park, machine, name, "held", until)
        case (verb, name):
            _ask(getattr(requests, verb), machine, name)


def _ask(request, *args: object) -> None:
    try:
        request(*args)
    except (requests.NotFound, requests.StillRunning):
        pass


def on_trio(test) -> None:
    """Run a synchronous test inside Trio, on a clock that only it moves."""

    async def run() -> None:
        test(clock)

    clock = trio.testing.MockClock()
    trio.run(run, clock=clock)


@settings(deadline=None)
@given(st.sampled_from(Strategy), kinds, moves)
def test_no_second_incarnation_and_a_stop_in_reverse_order(strategy, restarts, script) -> None:
    def test(clock: trio.testing.MockClock) -> None:
        bench = make(strategy, restarts, RestartIntensity(10_000, 1))
        for move in script:
            play(bench, move, clock)
            if bench.go_on() or bench.machine.stopping:  # a first start failed
                break
        bench.machine.shut_down("the test ends")
        while not bench.go_on():
            assert bench.asked(), "nobody was told to stop"
            for life in bench.asked():
                bench.end(life)
        assert all(life.ended for life in bench.lives)

    on_trio(test)


@settings(deadline=None)
@given(st.sampled_from(Strategy), kinds, moves)
def test_a_stop_alone_is_the_exact_reverse_of_the_start(strategy, restarts, script) -> None:
    def test(clock: trio.testing.MockClock) -> None:
        bench = make(strategy, restarts, RestartIntensity(10_000, 1))
        for move in script:
            if move[0] not in ("kick", "park", "terminate"):  # no stop of its own is under way
                play(bench, move, clock)
                if bench.go_on() or bench.machine.stopping:
                    break
        quiet = not bench.asked()
        stopped: list[int] = []
        bench.machine.shut_down("the test ends")
        while not bench.go_on():
            assert not quiet or len(bench.asked()) == 1
            for life in bench.asked():
                stopped.append(bench.machine.children[life.name].order)
                bench.end(life)
        assert not quiet or all(earlier > later for earlier, later in pairwise(stopped))

    on_trio(test)


@settings(deadline=None)
@given(
    st.sampled_from(Strategy),
    st.integers(0, 4),
    st.lists(st.tuples(st.sampled_from([0.0, 1.0, 5.0, 10.0, 10.5]), names), max_size=15),
)
def test_escalation_happens_exactly_at_the_boundary(strategy, intensity, crashes) -> None:
    def test(clock: trio.testing.MockClock) -> None:
        bench = make(strategy, [Restart.PERMANENT] * 4, RestartIntensity(intensity, 10.0))
        at: list[float] = []
        for pause, name in crashes:
            clock.jump(pause)
            _all_ready(bench, clock)
            now = trio.current_time()
            at.append(now)
            play(bench, ("end", name, ValueError("x")), clock)
            bench.go_on()
            recent = [then for then in at if now - then <= 10.0]
            assert bench.machine.stopping == (len(recent) > intensity)
            if bench.machine.stopping:
                return
            _all_ready(bench, clock)

    on_trio(test)


def _all_ready(bench: Bench, clock: trio.testing.MockClock) -> None:
    """Let back-offs pass without time that the budget would see, and everybody be ready."""
    for _ in range(20):
        for life in bench.asked():
            bench.end(life)
        for life in bench.lives:
            if not life.ended:
                life.ctx.ready()
        for child in bench.machine.children.values():
            if child.state is State.BACKOFF:
                requests.kick(bench.machine, child.spec.id)
        bench.go_on()


@settings(deadline=None)
@given(
    st.sampled_from(Strategy),
    st.lists(st.tuples(names, st.sampled_from([None, 0.0, 3.0, 1e6])), max_size=20),
)
def test_parks_never_spend_intensity_nor_touch_a_sibling(strategy, parks) -> None:
    def test(clock: trio.testing.MockClock) -> None:
        bench = make(strategy, [Restart.PERMANENT] * 4, RestartIntensity(0, 1e9))
        _all_ready(bench, clock)
        for name, until in parks:
            others = {life.ctx for life in bench.lives if life.name != name and not life.ended}
            play(bench, ("end", name, Park("p", until)), clock)
            bench.go_on()
            assert bench.machine.children[name].state is State.PARKED
            assert others == {life.ctx for life in bench.lives if not life.ended}
            assert not any(ctx.stop_requested.is_set() for ctx in others)
            requests.unpark(bench.machine, name)
            bench.go_on()
            _all_ready(bench, clock)
        assert not bench.machine.stopping
        assert all(child.state is State.RUNNING for child in bench.machine.children.values())

    on_trio(test)


def test_the_bench_itself_sees_a_second_incarnation() -> None:
    def test(clock: trio.testing.MockClock) -> None:
        bench = make(Strategy.ONE_FOR_ONE, [Restart.PERMANENT], RestartIntensity())
        try:
            bench.machine.incarnations.launch(bench.machine.children["a"])
        except AssertionError as error:
            assert "two incarnations" in str(error)
        else:
            raise AssertionError("not seen")

    on_trio(test)
