"""The root: exit codes, reports, deadlines (virtual clock), and real signals (a process)."""

import signal
import subprocess
import sys
from functools import partial

import pytest
import trio
import trio.testing

from hive.supervisors import (
    ChildSpec,
    Context,
    Escalated,
    RestartIntensity,
    State,
    Unstopped,
    run_root,
    supervisor_spec,
)


async def run(script, top, codes, **how) -> None:
    codes.append(await run_root(top, name="top", signals=False, sink=script.events.append, **how))


async def test_the_stop_event_ends_the_tree_in_order_with_0(script) -> None:
    codes, stop = [], trio.Event()
    inner = script.make([script.child("b")])
    top = script.make([script.child("a"), supervisor_spec("in", inner)])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(run, script, top, codes, stop=stop))
        await trio.sleep(1)
        stop.set()
    assert codes == [0]
    assert script.take() == ["+a", "+b", "-b", "-a"]


async def test_cancelling_the_caller_is_the_ordered_stop(script) -> None:
    top = script.make([script.child("a", stop=1), script.child("b", stop=1)])
    with trio.move_on_after(5) as scope:
        await run(script, top, [])
    assert scope.cancelled_caught
    assert script.take() == ["+a", "+b", "-b", "-a"]
    assert trio.current_time() == pytest.approx(7)


async def test_escalation_returns_1_and_tells_the_chain(script) -> None:
    codes = []
    never = RestartIntensity(intensity=0, period=1)
    inner = script.make([script.child("w")], intensity=never)
    top = script.make([supervisor_spec("in", inner)], intensity=never)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(run, script, top, codes))
        await trio.sleep(1)
        await script.end("w", ValueError("boom"))
    assert codes == [1]
    line = script.of(Escalated)[-1].line()
    assert line.startswith("top: gave up")
    assert line.endswith("<- ValueError: boom")


async def test_a_failed_start_returns_1_and_is_told(script) -> None:
    codes = []
    script.fail_init["a"] = OSError("no room")
    await run(script, script.make([script.child("a")]), codes)
    assert codes == [1]
    assert "no room" in script.of(Escalated)[-1].line()


async def test_a_bare_child_spec_is_enough(script) -> None:
    codes, stop = [], trio.Event()
    stop.set()
    await run(script, script.child("a"), codes, stop=stop)
    assert codes == [0]


@pytest.mark.parametrize("fatal", [KeyboardInterrupt, SystemExit])
async def test_a_fatal_exception_of_a_child_leaves_bare_after_the_stop(script, fatal) -> None:
    async def child(ctx: Context) -> None:
        ctx.ready()
        await trio.sleep(1)
        raise fatal(7)

    inner = script.make([ChildSpec("f", child), script.child("b")])
    with pytest.raises(fatal):
        await run(script, script.make([script.child("a"), supervisor_spec("in", inner)]), [])
    assert script.take() == ["+a", "+b", "-b", "-a"]


async def test_who_does_not_stop_is_reported_and_the_hard_deadline_ends_the_process(
    script,
) -> None:
    exits: list[tuple[float, int]] = []
    codes: list[int] = []
    inner = script.make([script.child("stuck", stop=500, grace=2), script.child("b")])
    top = script.make([script.child("a"), supervisor_spec("in", inner)])
    stop = trio.Event()
    stop.set()
    await run(
        script,
        top,
        codes,
        stop=stop,
        hard_deadline=50,
        exit_now=lambda code: exits.append((trio.current_time(), code)),
    )
    first, last = script.of(Unstopped)
    assert first.paths == last.paths == ("top/in/stuck",)
    assert first.at == pytest.approx(2)
    assert exits == [(pytest.approx(50), 1)]


async def test_hurry_shortens_every_grace_also_below(script) -> None:
    inner = script.make([script.child("b", stop=1000, grace=300), script.child("c", drain=300)])
    top = script.make([script.child("a", stop=1000, grace=300), supervisor_spec("in", inner)])
    stop = trio.Event()
    codes: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(run, script, top, codes, stop=stop, hard_deadline=1e6))
        await trio.sleep(10)
        stop.set()
        await trio.sleep(10)
        script.take()
        top.hurry(1.0)
        await trio.sleep(2.1)
        assert script.take() == ["-c"]
        assert script.of(Unstopped)[-1].paths == ("top/a", "top/in/b")


async def test_hurry_never_lengthens_a_grace_that_runs(script) -> None:
    top = script.make([script.child("a", stop=50, grace=10)])
    async with script.running(top):
        top.stop()
        await trio.sleep(9)
        top.hurry(5)
        await trio.sleep(1.1)
        assert top.snapshot().children[0].state is State.OVERDUE


PROGRAM = """
import sys, trio
from hive.supervisors import ChildSpec, Supervisor, run_root, supervisor_spec

def child(name, stop):
    async def start(ctx):
        ctx.ready()
        try:
            await trio.sleep_forever()
        finally:
            print("stopping", name, flush=True)
            with trio.move_on_after(stop, shield=True):
                await trio.sleep_forever()
    return ChildSpec(name, start, grace=60)

async def first(ctx):
    ctx.ready()
    print("up", flush=True)
    await trio.sleep_forever()

inner = Supervisor([child("b", float(sys.argv[1])), child("c", 0)])
top = Supervisor([child("a", 0), supervisor_spec("in", inner), ChildSpec("first", first)])
told = lambda number, count: print(number.name, count, flush=True)
sys.exit(trio.run(lambda: run_root(top, on_signal=told)))
"""


def start_program(stop: float, *before: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [*before, sys.executable, "-c", PROGRAM, str(stop)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_the_first_signal_is_the_ordered_stop(number: signal.Signals) -> None:
    with start_program(0) as process:
        process.send_signal(number)
        out, _ = process.communicate(timeout=20)
    assert out.splitlines() == [f"{number.name} 1", "stopping c", "stopping b", "stopping a"]
    assert process.returncode == 0


def test_the_second_signal_cuts_the_graces_and_the_third_ends_the_process() -> None:
    with start_program(100) as process:
        assert process.stdout is not None
        process.send_signal(signal.SIGTERM)
        assert [process.stdout.readline() for _ in range(3)][-1] == "stopping b\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "SIGTERM 2\n"
        assert process.stdout.readline() == "stopping a\n"  # b is overdue after a second
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM


def test_a_terminal_that_goes_hurries_nobody() -> None:
    with start_program(1) as process:
        assert process.stdout is not None
        process.send_signal(signal.SIGHUP)
        said = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGHUP)  # the kernel and the shell both tell
        out, _ = process.communicate(timeout=20)
    assert said == ["SIGHUP 1\n", "stopping c\n", "stopping b\n"]
    assert out == "stopping a\n"
    assert process.returncode == 0


def test_with_nohup_the_end_of_the_terminal_means_nothing() -> None:
    with start_program(0, "nohup") as process:
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)
    assert out.splitlines()[0] == "SIGTERM 1"
    assert process.returncode == 0
