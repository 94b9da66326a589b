"""Child processes of the daemon: the web process and the demo's model server.

Each reads its standard input and ends at its end-of-file: so it cannot outlive the daemon, not
even one that was killed. (A parent-death signal would follow the thread that forked, not us.)
What comes there it answers with an empty line, from its event loop: one that does not is found by
its supervisor's watchdog, and killed.
"""

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable

import trio

from hive.supervisors import Context

TERM_S = 5.0
"""How long a process may take to end after SIGTERM, before SIGKILL."""
KILL_S = 2.0
"""How long its end is waited for after SIGKILL."""
END_S = TERM_S + 2 * KILL_S
"""Upper bound of the end of a child process: the grace of its spec must be longer."""

ASK_EVERY_S = 4.0
"""Seconds between two questions whether the process still answers."""
SILENT_S = 6.0
"""A child that is silent for so long is shown with a note."""

SILENCE_S = 16.0
"""For the watchdog of the spec: several questions without an answer."""

LONGEST_LINE = 65536
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "HOME")


class ChildEnded(Exception):
    """The process ended although nobody asked for it; the text has its status."""


async def child_process(
    ctx: Context,
    *,
    argv: tuple[str, ...],
    say: Callable[[str], None],
    started: Callable[[str], None] = lambda _: None,
) -> None:
    """Run `argv` (an interpreter, -m, a module, …) as a supervised child in its own process group.

    It is ready when the process prints its first line, which `started` gets; `say` gets every line
    that is not empty. It ticks whenever the process answers, at least each ASK_EVERY_S, and a note
    tells when it has not. The environment is scrubbed, so that no credential reaches it. Raises
    ChildEnded.
    """
    process = await trio.lowlevel.open_process(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={name: os.environ[name] for name in _KEPT if name in os.environ},
        start_new_session=True,
    )
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_ask, ctx, process)
            async for line in _lines(process):
                ctx.tick()
                if line and ctx.ready_at is None:
                    started(line)
                    ctx.ready()
                if line:
                    say(line)
            nursery.cancel_scope.cancel()
        raise ChildEnded(f"{argv[2]} ended with status {await process.wait()}")
    finally:
        with trio.move_on_after(END_S, shield=True):
            await _end(process)


async def _ask(ctx: Context, process: trio.Process) -> None:
    """Ask the process for a sign of life again and again; note how long there was none."""
    assert process.stdin is not None
    while True:
        silent = trio.current_time() - (ctx.last_tick or ctx.began_at)
        note = f"has not answered for {silent:.0f} s: it is restarted at {SILENCE_S:g} s"
        ctx.note(note if silent > SILENT_S else None)
        try:
            await process.stdin.send_all(b"\n")
        except trio.BrokenResourceError:
            return  # it has closed its input, or ended; its output tells
        await trio.sleep(ASK_EVERY_S)


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
                os.killpg(process.pid, signal.SIGCONT)  # who is stopped could not obey
            await process.wait()
            break
    if process.stdin is not None:
        await process.stdin.aclose()
