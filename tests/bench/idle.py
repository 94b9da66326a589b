"""How much memory one idle actor takes; a program, because each kind wants a fresh process.

`python idle.py pykka|hive|task COUNT` prints KiB.
"""

import gc
import sys
from pathlib import Path

import pykka
import trio
import trio.testing

from hive.actors import Actor, ActorHost, spawn


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def threads(count: int) -> float:
    class Idle(pykka.ThreadingActor):
        pass

    Idle.start().stop()
    gc.collect()
    before = resident()
    held = [Idle.start() for _ in range(count)]
    used = resident() - before
    for one in held:
        one.stop()
    return used / count


async def actors(count: int) -> float:
    async with trio.open_nursery() as nursery:
        await spawn(nursery, ActorHost(Actor, name="first"))
        gc.collect()
        before = resident()
        for number in range(count):
            await spawn(nursery, ActorHost(Actor, name=str(number)))
        used = resident() - before
        nursery.cancel_scope.cancel()
    return used / count


async def tasks(count: int) -> float:
    """A task with a channel, a scope and a nursery: what an actor cannot be made of less of."""

    async def idle() -> None:
        send, receive = trio.open_memory_channel[object](16)
        with trio.CancelScope():
            async with trio.open_nursery():
                await receive.receive()
        send.close()

    async with trio.open_nursery() as nursery:
        gc.collect()
        before = resident()
        for _ in range(count):
            nursery.start_soon(idle)
        await trio.testing.wait_all_tasks_blocked()
        used = resident() - before
        nursery.cancel_scope.cancel()
    return used / count


if __name__ == "__main__":
    kind, number = sys.argv[1], int(sys.argv[2])
    if kind == "pykka":
        print(threads(number) / 1024)
    else:
        print(trio.run({"hive": actors, "task": tasks}[kind], number) / 1024)
