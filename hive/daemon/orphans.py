"""Reaps orphaned processes, which the kernel hands to the daemon when it is pid 1 or a subreaper.

Without it each of them stays a zombie for ever, as in a container image whose first process is the
daemon.
"""

import ctypes
import os
from pathlib import Path

import trio

from hive.processes import Process, all_processes
from hive.supervisors import Context

LOOK_S = 5.0
_PR_GET_CHILD_SUBREAPER = 37


def adopts() -> bool:
    """Return whether orphans become children of this process (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    if os.getpid() == 1:
        return True
    answer = ctypes.c_int(0)
    ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return bool(answer.value)


async def run(ctx: Context, every: float = LOOK_S) -> None:
    """The supervised child: reaps what nobody here waits for and is dead at two looks in a row.

    `every` is the time between two looks, in seconds.
    Whoever waits for a child holds a pidfd of it; the second look is for a child that has only
    just been started and has none yet.
    """
    ctx.ready()
    before: frozenset[Process] = frozenset()
    while True:
        await trio.sleep(every)
        ctx.tick()
        dead = await trio.to_thread.run_sync(_dead_children)
        awaited = _pidfds() if dead else frozenset[int]()
        unclaimed = frozenset(one for one in dead if one.pid not in awaited)
        for process in unclaimed & before:
            try:
                os.waitpid(process.pid, os.WNOHANG)  # noqa: ASYNC222 - it is dead
            except ChildProcessError:
                pass  # it was waited for meanwhile
        before = unclaimed - before


def _dead_children() -> frozenset[Process]:
    me = os.getpid()
    return frozenset(one for one in all_processes() if one.parent == me and one.ended)


def _pidfds() -> frozenset[int]:
    """The processes of which this one holds a pidfd (proc(5), fdinfo)."""
    found = set()
    for file in Path("/proc/self/fdinfo").iterdir():
        try:
            lines = file.read_text().splitlines()
        except FileNotFoundError:
            continue  # the descriptor of this very look
        found |= {int(line[4:]) for line in lines if line.startswith("Pid:")}
    return frozenset(found)
