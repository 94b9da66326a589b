"""Actors against pykka and bare Trio, in one run."""

import subprocess
import sys
from pathlib import Path

import pykka
import trio
import trio.testing
from bench.contest import Stopwatch, contest, in_trio
from bench.figures import Book

from hive.actors import Actor, ActorHost, spawn
from hive.supervisors import (
    ChildSpec,
    Context,
    DynamicSupervisor,
)

ACTORS = "Actors, the median of many rounds in turns"
AT_ONCE_CALLS = 100


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
