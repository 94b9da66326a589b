"""Actors against pykka and bare Trio, supervisors against bare Trio, in one run."""

import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pykka
import trio
import trio.testing
from bench.contest import Stopwatch, Work, best, contest
from bench.figures import Book

from hive.actors import Actor, ActorHost, spawn
from hive.supervisors import (
    Backoff,
    Budget,
    ChildSpec,
    Context,
    DynamicSupervisor,
    Supervisor,
)

ACTORS = "Actors, the median of many rounds in turns"
TREES = "Supervisors"
AT_ONCE = Backoff(initial=0, healthy_after=0)
AT_ONCE_CALLS = 100
ENDLESS = Budget(intensity=10**9, period=1.0)


def in_trio(work: Callable[[int, Stopwatch], Awaitable[None]]) -> Work:
    return partial(trio.run, work)  # type: ignore[arg-type]  # trio.run() is sure of coroutines


# -- calls and casts ---------------------------------------------------------------------------


class Adder(Actor):
    async def handle_call(self, message, reply):
        return message + 1

    async def handle_cast(self, message):
        pass


class PykkaAdder(pykka.ThreadingActor):
    def on_receive(self, message):
        return message + 1


def pykka_calls(count: int, watch: Stopwatch) -> None:
    ref = PykkaAdder.start()
    with watch.running():
        for number in range(count):
            assert ref.ask(number, timeout=5) == number + 1
    ref.stop()


async def bare_calls(count: int, watch: Stopwatch) -> None:
    send, receive = trio.open_memory_channel[tuple[int, list[int], trio.Event]](256)

    async def serve() -> None:
        async for number, cell, done in receive:
            cell.append(number + 1)
            done.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        with watch.running():
            for number in range(count):
                with trio.fail_after(5):
                    cell: list[int] = []
                    done = trio.Event()
                    await send.send((number, cell, done))
                    await done.wait()
                assert cell[0] == number + 1
        send.close()


async def hive_calls(count: int, watch: Stopwatch) -> None:
    async with trio.open_nursery() as nursery:
        ref = await spawn(nursery, ActorHost(Adder, name="adder"))
        with watch.running():
            for number in range(count):
                assert await ref.call(number, timeout=5) == number + 1
        await ref.stop()


def pykka_calls_at_once(count: int, watch: Stopwatch) -> None:
    ref = PykkaAdder.start()
    with watch.running():
        for _ in range(count // AT_ONCE_CALLS):
            futures = [ref.ask(number, block=False) for number in range(AT_ONCE_CALLS)]
            assert pykka.get_all(futures, timeout=5) == list(range(1, AT_ONCE_CALLS + 1))
    ref.stop()


async def hive_calls_at_once(count: int, watch: Stopwatch) -> None:
    async def ask(times: int) -> None:
        for number in range(times):
            assert await ref.call(number, timeout=5) == number + 1

    async with trio.open_nursery() as nursery:
        ref = await spawn(nursery, ActorHost(Adder, name="adder"))
        with watch.running():
            async with trio.open_nursery() as callers:
                for _ in range(AT_ONCE_CALLS):
                    callers.start_soon(ask, count // AT_ONCE_CALLS)
        await ref.stop()


def test_calls(book: Book) -> None:
    speed = contest(
        {"pykka": pykka_calls, "bare": in_trio(bare_calls), "hive": in_trio(hive_calls)},
        500,
        rounds=40,
    )
    for name, label in (("pykka", "pykka ask"), ("bare", "bare Trio"), ("hive", "our call")):
        book.add(ACTORS, f"{label} with deadline", speed[name], "/s")
    book.add(ACTORS, "call against pykka", speed["hive"] / speed["pykka"], "x", at_least=2)
    book.add(ACTORS, "call against bare Trio", speed["hive"] / speed["bare"], "x", at_least=0.6)


def test_calls_at_once(book: Book) -> None:
    speed = contest(
        {"pykka": pykka_calls_at_once, "hive": in_trio(hive_calls_at_once)}, 20 * AT_ONCE_CALLS
    )
    book.add(ACTORS, f"pykka ask, {AT_ONCE_CALLS} at once", speed["pykka"], "/s")
    book.add(ACTORS, f"our call, {AT_ONCE_CALLS} callers", speed["hive"], "/s")


def pykka_tells(count: int, watch: Stopwatch) -> None:
    ref = PykkaAdder.start()
    with watch.running():
        for number in range(count):
            ref.tell(number)
        ref.ask(0, timeout=60)
    ref.stop()


async def hive_casts(count: int, watch: Stopwatch) -> None:
    async with trio.open_nursery() as nursery:
        ref = await spawn(nursery, ActorHost(Adder, name="adder"))
        with watch.running():
            for number in range(count):
                await ref.cast(number)
            await ref.call(0)
        await ref.stop()


async def hive_casts_nowait(count: int, watch: Stopwatch) -> None:
    async with trio.open_nursery() as nursery:
        ref = await spawn(nursery, ActorHost(Adder, name="adder", capacity=count))
        with watch.running():
            for number in range(count):
                ref.cast_nowait(number)
            await ref.call(0, timeout=60)
        await ref.stop()


def test_casts(book: Book) -> None:
    speed = contest(
        {"pykka": pykka_tells, "cast": in_trio(hive_casts), "nowait": in_trio(hive_casts_nowait)},
        5_000,
    )
    book.add(ACTORS, "pykka tell, until handled", speed["pykka"], "/s")
    book.add(ACTORS, "our cast, until handled", speed["cast"], "/s")
    book.add(ACTORS, "our cast_nowait, until handled", speed["nowait"], "/s")


# -- spawn and stop, memory --------------------------------------------------------------------


def pykka_lives(count: int, watch: Stopwatch) -> None:
    with watch.running():
        for _ in range(count):
            PykkaAdder.start().stop()


async def hive_lives(count: int, watch: Stopwatch) -> None:
    async with trio.open_nursery() as nursery:
        with watch.running():
            for _ in range(count):
                ref = await spawn(nursery, ActorHost(Adder, name="adder"))
                await ref.stop()


async def supervised_lives(count: int, watch: Stopwatch) -> None:
    top = DynamicSupervisor(sink=lambda event: None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(top.run, Context("top"))
        await trio.testing.wait_all_tasks_blocked()
        with watch.running():
            for _ in range(count):
                await top.start_child(ChildSpec("adder", ActorHost(Adder, name="adder").run))
                await top.terminate_child("adder")
        nursery.cancel_scope.cancel()


def test_spawn_and_stop(book: Book) -> None:
    speed = contest(
        {
            "pykka": pykka_lives,
            "hive": in_trio(hive_lives),
            "supervised": in_trio(supervised_lives),
        },
        100,
        rounds=30,
    )
    book.add(ACTORS, "pykka start and stop", speed["pykka"], "/s")
    book.add(ACTORS, "our spawn and stop", speed["hive"], "/s")
    book.add(ACTORS, "our start_child and terminate_child", speed["supervised"], "/s")
    ratio = speed["hive"] / speed["pykka"]
    book.add(ACTORS, "spawn and stop against pykka", ratio, "x", at_least=3)


def idle_kib(kind: str, count: int) -> float:
    program = Path(__file__).with_name("idle.py")
    run = subprocess.run(
        [sys.executable, program, kind, str(count)], capture_output=True, text=True, check=True
    )
    return float(run.stdout)


def test_memory(book: Book) -> None:
    pykka_kib, ours = idle_kib("pykka", 2_000), idle_kib("hive", 5_000)
    book.add(ACTORS, "idle pykka actor", pykka_kib, "KiB")
    book.add(ACTORS, "idle task with channel, scope, nursery", idle_kib("task", 5_000), "KiB")
    book.add(ACTORS, "our idle actor", ours, "KiB")
    book.add(ACTORS, "memory against pykka", ours / pykka_kib, "x", at_most=0.5)


# -- supervisors -------------------------------------------------------------------------------


async def bare_restarts(count: int, watch: Stopwatch) -> None:
    crash = trio.Event()

    async def child(task_status: trio.TaskStatus[None]) -> None:
        with trio.CancelScope():
            async with trio.open_nursery():
                task_status.started()
                await crash.wait()
                raise ValueError("boom")

    ended = trio.Event()

    async def guarded(task_status: trio.TaskStatus[None]) -> None:
        try:
            await child(task_status)
        except* ValueError:
            ended.set()

    async with trio.open_nursery() as nursery:
        await nursery.start(guarded)
        with watch.running():
            for _ in range(count):
                now, crash, ended = crash, trio.Event(), trio.Event()
                now.set()
                await ended.wait()
                await nursery.start(guarded)
        nursery.cancel_scope.cancel()


async def hive_restarts(count: int, watch: Stopwatch) -> None:
    crash = trio.Event()
    back = trio.Event()

    async def child(ctx: Context) -> None:
        mine = crash
        async with trio.open_nursery():
            ctx.ready()
            back.set()
            await mine.wait()
            raise ValueError("boom")

    top = Supervisor(
        [ChildSpec("child", child, backoff=AT_ONCE)], budget=ENDLESS, sink=lambda event: None
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(top.run, Context("top"))
        await back.wait()
        with watch.running():
            for _ in range(count):
                now, crash, back = crash, trio.Event(), trio.Event()
                now.set()
                await back.wait()
        assert top.which_children()[0].incarnation == count + 1
        nursery.cancel_scope.cancel()


def test_restart(book: Book) -> None:
    speed = contest({"bare": in_trio(bare_restarts), "hive": in_trio(hive_restarts)}, 300)
    for name, label in (("bare", "bare restart with handshake"), ("hive", "supervised restart")):
        book.add(TREES, label, 1e6 / speed[name], "us")
    book.add(TREES, "restart against bare", speed["bare"] / speed["hive"], "x", at_most=3)


async def ordered_stop(count: int, watch: Stopwatch) -> None:
    order = []

    async def child(ctx: Context, number: int) -> None:
        ctx.ready()
        try:
            await trio.sleep_forever()
        finally:
            order.append(number)

    specs = [ChildSpec(str(number), partial(child, number=number)) for number in range(count)]
    top = Supervisor(specs, sink=lambda event: None)
    up = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(top.run, Context("top", on_ready=lambda value: up.set()))
        await up.wait()
        await trio.testing.wait_all_tasks_blocked()
        with watch.running():
            top.stop()
            while nursery.child_tasks:
                await trio.lowlevel.checkpoint()
    assert order == sorted(order, reverse=True)


def test_ordered_stop(book: Book) -> None:
    few = best(in_trio(ordered_stop), 1_000, rounds=5)
    many = best(in_trio(ordered_stop), 10_000, rounds=3)
    book.add(TREES, "ordered stop of 10,000 children", 10_000 / many, "s", at_most=1)
    book.add(TREES, "ordered stop, one child of 10,000", 1e6 / many, "us")
    book.add(TREES, "and against one of 1,000", few / many, "x", at_most=1.5)


async def snapshots(count: int, watch: Stopwatch) -> None:
    async def child(ctx: Context) -> None:
        ctx.ready()
        await trio.sleep_forever()

    specs = [ChildSpec(str(number), child) for number in range(1_000)]
    top = Supervisor(specs, sink=lambda event: None)
    up = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(top.run, Context("top", on_ready=lambda value: up.set()))
        await up.wait()
        with watch.running():
            for _ in range(count):
                assert len(top.snapshot().children) == 1_000
        nursery.cancel_scope.cancel()


def test_snapshot(book: Book) -> None:
    speed = best(in_trio(snapshots), 10, rounds=12)
    book.add(TREES, "snapshot of 1,000 children", 1e3 / speed, "ms", at_most=2)


class LongestStep(trio.abc.Instrument):
    """The longest that a task of that name kept the processor between two of its checkpoints."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seconds = 0.0
        self._began = 0.0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._began = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task.name == self.name:
            self.seconds = max(self.seconds, time.thread_time() - self._began)


async def beside_hanging_children(book: Book) -> None:
    async def hangs_in_init(ctx: Context) -> None:
        await trio.sleep_forever()

    async def hangs_in_stop(ctx: Context) -> None:
        ctx.ready()
        try:
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(10, shield=True):
                await trio.sleep_forever()

    async def obedient(ctx: Context) -> None:
        ctx.ready()
        await trio.sleep_forever()

    top = DynamicSupervisor(sink=lambda event: None, width=1000)
    step, waits = LongestStep("the supervisor"), []
    async with trio.open_nursery() as nursery, trio.open_nursery() as callers:
        nursery.start_soon(top.run, Context("top"), name="the supervisor")
        await trio.testing.wait_all_tasks_blocked()
        for number in range(100):
            await top.start_child(ChildSpec(f"stop {number}", hangs_in_stop, grace=0.2))
        for number in range(100):
            callers.start_soon(top.start_child, ChildSpec(f"init {number}", hangs_in_init))
        trio.lowlevel.add_instrument(step)
        for number in range(100):
            top.park(f"stop {number}", "hangs")
        for _ in range(300):
            began = time.perf_counter()
            await top.start_child(ChildSpec("quick", obedient))
            waits.append(time.perf_counter() - began)
            await top.terminate_child("quick")
        trio.lowlevel.remove_instrument(step)
        callers.cancel_scope.cancel()
        nursery.cancel_scope.cancel()
    part = f"{TREES}, 100 children hang in init, 100 in stop"
    book.times(part, "start of another child", waits, p50=1)
    book.add(part, "longest step of the loop", step.seconds * 1e3, "ms", at_most=1)


def test_hanging_children(book: Book) -> None:
    trio.run(beside_hanging_children, book)
