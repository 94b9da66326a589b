"""Supervisors against bare Trio, in one run."""

import time
from functools import partial

import trio
import trio.testing
from bench.contest import Stopwatch, best, contest, in_trio
from bench.figures import Book

from hive.supervisors import (
    Backoff,
    ChildSpec,
    Context,
    DynamicSupervisor,
    RestartIntensity,
    Supervisor,
)

TREES = "Supervisors"
AT_ONCE = Backoff(initial=0, healthy_after=0)
ENDLESS = RestartIntensity(intensity=10**9, period=1.0)


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
        [ChildSpec("child", child, backoff=AT_ONCE)], intensity=ENDLESS, sink=lambda event: None
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
