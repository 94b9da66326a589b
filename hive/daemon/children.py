"""Child processes of the daemon: the web process and the demo's model server.

Each reads its standard input and ends at its end-of-file: so it cannot outlive the daemon, not
even one that was killed. (A parent-death signal would follow the thread that forked, not us.)
"""

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable

import trio

from hive.supervisors import Context

TERM_S = 5.0
KILL_S = 2.0
LONGEST_LINE = 65536
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "HOME")


class ChildEnded(Exception):
    """The process ended although nobody asked for it."""


async def child_process(
    ctx: Context,
    *,
    argv: tuple[str, ...],
    say: Callable[[str], None],
    started: Callable[[str], None] = lambda _: None,
) -> None:
    """Run `argv` in its own process group; ready when it prints its first line.

    The environment is scrubbed, so that no credential reaches it. Raises ChildEnded.
    """
    process = await trio.lowlevel.open_process(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={name: os.environ[name] for name in _KEPT if name in os.environ},
        start_new_session=True,
    )
    try:
        async for line in _lines(process):
            if ctx.ready_at is None:
                started(line)
                ctx.ready()
            say(line)
        raise ChildEnded(f"{argv[2]} ended with status {await process.wait()}")
    finally:
        with trio.move_on_after(TERM_S + 2 * KILL_S, shield=True):
            await _end(process)


async def _lines(process: trio.Process) -> AsyncIterator[str]:
    assert process.stdout is not None
    rest = b""
    while chunk := await process.stdout.receive_some(LONGEST_LINE):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")
        rest = rest[-LONGEST_LINE:]


async def _end(process: trio.Process) -> None:
    """SIGTERM, then SIGKILL, to the whole group; returns when the leader is gone."""
    for number, patience in ((signal.SIGTERM, TERM_S), (signal.SIGKILL, KILL_S)):
        with trio.move_on_after(patience):
            if process.returncode is None:
                os.killpg(process.pid, number)
            await process.wait()
            break
    if process.stdin is not None:
        await process.stdin.aclose()
