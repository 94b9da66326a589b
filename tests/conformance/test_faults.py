"""Children that misbehave, at every moment: the supervisor answers, and never runs two of one."""

import threading
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
from support.puppets import AT_ONCE, CRASH, GENEROUS, Puppets, incarnations, settle, states

from hive.supervisors import (
    ChildSpec,
    Context,
    DynamicSupervisor,
    Event,
    Exited,
    ExitKind,
    Overdue,
    Park,
    State,
    Strategy,
    Supervisor,
    Unstopped,
    run_root,
    supervisor_spec,
)

EACH_STRATEGY = pytest.mark.parametrize("strategy", Strategy)
DEAF_FOR = 160.0


async def swallows(ctx: Context) -> None:
    """Swallows its cancellation, again and again."""
    ctx.ready()
    until = trio.current_time() + DEAF_FOR
    while trio.current_time() < until:
        with trio.CancelScope() as scope:
            scope.shield = ctx.stop_requested.is_set()  # or it would be a busy loop
            try:
                await trio.sleep(1)
            except trio.Cancelled:
                pass


async def shields(ctx: Context) -> None:
    """Sits in a shield without deadline."""
    ctx.ready()
    with trio.CancelScope(shield=True):
        await trio.sleep(DEAF_FOR)


async def shields_in_init(ctx: Context) -> None:
    """The same before it is ready."""
    with trio.CancelScope(shield=True):
        await trio.sleep(DEAF_FOR)


async def shields_in_cleanup(ctx: Context) -> None:
    """Obeys at first."""
    ctx.ready()
    try:
        await trio.sleep_forever()
    finally:
        with trio.CancelScope(shield=True):
            await trio.sleep(DEAF_FOR)
        raise CRASH


async def ticks(ctx: Context) -> None:
    """Behaves."""
    ctx.ready()
    while True:
        ctx.tick()
        await trio.sleep(1)


class Once:
    """ChildCounts who is alive; the second incarnation behaves."""

    def __init__(self, start: Callable[[Context], Awaitable[None]]) -> None:
        self.start = start
        self.alive = 0
        self.lives = 0

    async def __call__(self, ctx: Context) -> None:
        self.alive += 1
        self.lives += 1
        assert self.alive == 1, "two incarnations"
        try:
            await (self.start if self.lives == 1 else ticks)(ctx)
        finally:
            self.alive -= 1


async def answers(top: Supervisor) -> None:
    """It does what it is asked, without waiting for the misbehaved."""
    began = trio.current_time()
    probe = ChildSpec("probe", Puppets().child("probe").start)
    if top._flags.strategy is Strategy.ONE_FOR_ONE:
        await top.start_child(probe)
        await top.terminate_child("probe")
        top.delete_child("probe")
    assert top.snapshot().children
    assert top.count_children().specs == len(top.which_children())
    assert trio.current_time() - began < 0.01


@EACH_STRATEGY
@pytest.mark.parametrize("deaf", [swallows, shields, shields_in_cleanup])
@pytest.mark.parametrize("order", ["kick", "park", "terminate", "sibling", "watchdog"])
async def test_a_deaf_child_is_overdue_and_never_there_twice(
    puppets, strategy, deaf, order
) -> None:
    once = Once(deaf)
    watchdog = 50 if order == "watchdog" else None
    spec = ChildSpec("deaf", once, grace=2, backoff=AT_ONCE, watchdog=watchdog)
    top = puppets.make(
        [puppets.child("first"), spec, puppets.child("last")], strategy=strategy, intensity=GENEROUS
    )
    async with puppets.up(top), trio.open_nursery() as nursery:
        match order:
            case "kick":
                top.kick("deaf")
            case "park":
                top.park("deaf", "held", trio.current_time() + 10)
            case "terminate":
                nursery.start_soon(_terminate, top, "deaf")
            case "sibling":
                await puppets.end("first", CRASH)
            case "watchdog":
                await trio.sleep(50)
        for _ in range(20):
            await trio.sleep(5)
            await answers(top)
        touched = order != "sibling" or strategy is not Strategy.ONE_FOR_ONE
        assert states(top)["deaf"] is (State.OVERDUE if touched else State.RUNNING)
        assert incarnations(top)["deaf"] == 1
        assert len(puppets.of(Overdue, "deaf")) == touched
        await trio.sleep(DEAF_FOR)
        then = State.STOPPED if order == "terminate" else State.RUNNING
        assert states(top)["deaf"] is then
        top.stop()
        await trio.sleep(5)
        assert states(top)["first"] is State.STOPPED
    assert once.alive == 0


async def _terminate(top: Supervisor, name: str) -> None:
    try:
        await top.terminate_child(name)
    except Exception as error:
        assert "overdue" in str(error)


async def test_a_child_that_waits_for_a_thread(puppets) -> None:
    release = threading.Event()

    async def threaded(ctx: Context) -> None:
        ctx.ready()
        await trio.to_thread.run_sync(release.wait, 60)

    top = puppets.make([ChildSpec("threaded", threaded, grace=2), puppets.child("b")])
    async with puppets.up(top) as run:
        top.kick("threaded")
        await trio.sleep(5)
        assert states(top) == {"threaded": State.OVERDUE, "b": State.RUNNING}
        await answers(top)
        top.stop()
        await trio.sleep(5)
        assert states(top)["b"] is State.STOPPED
        release.set()
        await run.ended.wait()
    assert len(puppets.of(Exited, "threaded")) == 1


@EACH_STRATEGY
@pytest.mark.parametrize("when", ["stop", "kick", "crash"])
async def test_groups_mixed_with_cancelled(puppets, strategy, when) -> None:
    async def helper(error: BaseException) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise error

    async def messy(ctx: Context) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(helper, ValueError("one"))
            nursery.start_soon(helper, OSError("two"))
            nursery.start_soon(trio.sleep_forever)
            ctx.ready()
            await trio.sleep(10)
            if when == "crash":
                raise CRASH

    top = puppets.make(
        [ChildSpec("messy", messy, backoff=AT_ONCE), puppets.child("b")],
        strategy=strategy,
        intensity=GENEROUS,
    )
    async with puppets.up(top) as run:
        await settle()
        if when == "kick":
            top.kick("messy")
        if when == "crash":
            await trio.sleep(10)
        await settle()
        assert not run.ended.is_set()
        assert states(top) == {"messy": State.RUNNING, "b": State.RUNNING}
    assert run.error is None
    exited = puppets.of(Exited, "messy")[0]
    assert exited.exit.kind is (ExitKind.CRASHED if when == "crash" else ExitKind.SHUTDOWN)
    group = exited.exit.error
    assert isinstance(group, ExceptionGroup)
    assert not exited.exit.clean
    assert group.subgroup(trio.Cancelled) is None
    assert {type(one) for one in _leaves(group)} >= {ValueError, OSError}


def _leaves(error: BaseException):
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error


@EACH_STRATEGY
@pytest.mark.parametrize("when", ["init", "start", "running", "stop", "backoff", "park"])
async def test_a_death_at_every_moment(puppets, strategy, when) -> None:
    """And then one more: whatever state the first left, the next failure is handled too."""
    children = [puppets.child(name, park_jitter=0, init=1) for name in "abc"]
    top = puppets.make(children, strategy=strategy, intensity=GENEROUS)
    async with puppets.up(top) as run:
        await trio.sleep(5)
        match when:
            case "init":
                puppets.inits["b"] = CRASH
                top.kick("b")
                await trio.sleep(1.5)
                del puppets.inits["b"]
            case "start":
                puppets.order("b", CRASH)
                await trio.sleep(0.5)  # b starts again
                await puppets.end("a", CRASH) if strategy is Strategy.ONE_FOR_ONE else None
            case "running":
                puppets.order("b", CRASH)
                puppets.order("c", CRASH)
            case "stop":
                top.kick("b")
                puppets.order("b", CRASH)
            case "backoff":
                puppets.inits["b"] = CRASH
                puppets.order("b", CRASH)
                await trio.sleep(20)
                if strategy is Strategy.ONE_FOR_ONE:
                    await puppets.end("a", CRASH)
                del puppets.inits["b"]
            case "park":
                puppets.order("b", Park("rest", trio.current_time() + 30))
                await settle()
                await puppets.end("c", CRASH)
                await puppets.end("a", CRASH) if strategy is Strategy.ONE_FOR_ONE else None
        await trio.sleep(100)
        assert states(top) == dict.fromkeys("abc", State.RUNNING)
        assert not run.ended.is_set()
        await puppets.end("a", CRASH)
        await trio.sleep(10)
        assert states(top) == dict.fromkeys("abc", State.RUNNING)


# -- KeyboardInterrupt and SystemExit ----------------------------------------------------------

FATAL = pytest.mark.parametrize("fatal", [KeyboardInterrupt("k"), SystemExit(7)])


async def leaves_bare(puppets: Puppets, top: Supervisor, fatal: BaseException) -> None:
    """run_root raises it bare, after everything has stopped."""
    with pytest.raises(type(fatal)) as caught, trio.fail_after(3600):
        await run_root(top, name="top", signals=False, sink=puppets.events.append)
    assert caught.value is fatal
    assert not any(puppets.living.values())


@FATAL
@pytest.mark.parametrize("when", ["init", "running", "cleanup", "helper", "nested"])
async def test_fatal_in_a_child(puppets, fatal, when) -> None:
    async def raiser(error: BaseException, seconds: float) -> None:
        try:
            await trio.sleep(seconds)
        finally:
            raise error  # also when it is cancelled: both are in the group

    async def bad(ctx: Context) -> None:
        if when == "init":
            raise fatal
        ctx.ready()
        if when == "helper":
            async with trio.open_nursery() as nursery:
                nursery.start_soon(raiser, fatal, 1)
                nursery.start_soon(raiser, CRASH, 2)
        try:
            await trio.sleep(1)
        finally:
            raise fatal if when != "cleanup" or ctx.stop_requested.is_set() else CRASH

    top = puppets.make([puppets.child("a"), ChildSpec("bad", bad), puppets.child("b")])
    if when == "nested":
        top = puppets.make([puppets.child("z"), supervisor_spec("in", top)])
    async with trio.open_nursery() as nursery:
        if when == "cleanup":
            nursery.start_soon(_kick_later, top)
        await leaves_bare(puppets, top, fatal)


async def _kick_later(top: Supervisor) -> None:
    await trio.sleep(0.5)
    top.kick("bad")


@FATAL
async def test_fatal_in_load(puppets, fatal) -> None:
    async def load() -> list[ChildSpec]:
        raise fatal

    top = puppets.make([puppets.child("a"), supervisor_spec("in", DynamicSupervisor(load))])
    await leaves_bare(puppets, top, fatal)


@FATAL
@pytest.mark.parametrize("on", ["Started", "Exited", "Stopping"])
async def test_fatal_in_a_sink(puppets, fatal, on) -> None:
    """As a Ctrl-C that arrives while the supervisor itself runs."""
    told = []

    def sink(event: Event) -> None:
        if type(event).__name__ == on and not told:
            told.append(event)
            raise fatal

    inner = puppets.make([puppets.child("a"), puppets.child("b")], sink=sink)
    top = puppets.make([puppets.child("z"), supervisor_spec("in", inner)])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_disturb, puppets, inner, on)
        await leaves_bare(puppets, top, fatal)


async def _disturb(puppets: Puppets, inner: Supervisor, on: str) -> None:
    await settle()
    if on == "Exited":
        puppets.order("a", CRASH)
    elif on == "Stopping":
        inner.stop()


@FATAL
async def test_fatal_in_what_a_child_reports(puppets, fatal) -> None:
    async def bad(ctx: Context) -> None:
        def messages() -> list[str]:
            raise fatal

        ctx.on_report(messages)
        ctx.ready()
        await trio.sleep(1)
        raise CRASH

    top = puppets.make([puppets.child("a"), ChildSpec("bad", bad), puppets.child("b")])
    await leaves_bare(puppets, top, fatal)


@FATAL
async def test_fatal_in_the_text_of_an_exception(puppets, fatal) -> None:
    class Nasty(Exception):
        def __str__(self) -> str:
            raise fatal

    async def bad(ctx: Context) -> None:
        ctx.ready()
        await trio.sleep(1)
        raise Nasty

    top = puppets.make([puppets.child("a"), ChildSpec("bad", bad), puppets.child("b")])
    await leaves_bare(puppets, top, fatal)


# -- the root ----------------------------------------------------------------------------------


async def test_the_root_names_who_did_not_stop(puppets) -> None:
    exits: list[int] = []
    release = trio.Event()

    async def deaf(ctx: Context) -> None:
        ctx.ready()
        with trio.CancelScope(shield=True):
            await release.wait()

    def leave(code: int) -> None:
        exits.append(code)
        release.set()  # a real process would be gone

    inner = puppets.make([puppets.child("obeys"), ChildSpec("deaf", deaf, grace=2)])
    top = puppets.make([puppets.child("a"), supervisor_spec("in", inner), puppets.child("b")])
    stop = trio.Event()
    root = partial(
        run_root,
        top,
        name="top",
        signals=False,
        stop=stop,
        sink=puppets.events.append,
        hard_deadline=60,
        exit_now=leave,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(root)
        await settle()
        stop.set()
    assert exits == [1]
    assert [event.paths for event in puppets.of(Unstopped)] == [("top/in/deaf",)] * 2
    assert puppets.log[-1] == "-a"  # the others were not kept waiting
    assert [event.at for event in puppets.of(Unstopped)] == pytest.approx([2, 60], abs=0.1)
