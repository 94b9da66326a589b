"""As pid 1 or subreaper the daemon reaps what it adopts, and nothing that somebody waits for."""

import subprocess
import sys

import pytest

from hive.daemon.orphans import adopts

# In a pid namespace of its own: orphans that end at once, a child of Trio and a keeper that end
# with codes of their own while the reaper is at work and nobody asks for them yet.
PROGRAM = """
import ctypes, os, sys, trio
from pathlib import Path
from hive.containers import Container, UnsafeProcess
from hive.processes import all_processes
from hive.daemon import orphans

class Context:
    ready = tick = staticmethod(lambda: None)

def dead():
    return [p.pid for p in all_processes() if p.parent == os.getpid() and p.ended]

async def main():
    if os.getpid() != 1:
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
    assert orphans.adopts()
    root = Path(sys.argv[1])
    container = Container("a", root, ("/bin/sh", "-c", "exit 7"))
    handle = await UnsafeProcess(allowed=True).start(container)
    own = await trio.lowlevel.open_process(["/bin/sh", "-c", "exit 9"])
    await trio.run_process(["/bin/sh", "-c", "for i in 1 2 3; do (setsid true &); done"])
    with trio.fail_after(30):
        while len(dead()) < 5:
            await trio.sleep(0.01)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(orphans.run, Context, 0.05)
            while len(dead()) > 2:
                await trio.sleep(0.01)
            await trio.sleep(0.3)  # several looks more
            assert set(dead()) == {own.pid, handle.pid}
            assert await own.wait() == 9
            assert (await handle.wait()).code == 7
            assert dead() == []
            nursery.cancel_scope.cancel()
    print(os.getpid() == 1, "reaped")

trio.run(main)
"""
AS_PID_1 = ("bwrap", "--dev-bind", "/", "/", "--unshare-pid", "--as-pid-1", "--proc", "/proc")


@pytest.mark.parametrize("before", [AS_PID_1, ()], ids=["pid 1", "subreaper"])
def test_what_is_adopted_is_reaped_and_nothing_else(
    before: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("root")
    done = subprocess.run(
        [*before, sys.executable, "-c", PROGRAM, str(root)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == f"{bool(before)} reaped\n", done.stderr


def test_an_ordinary_process_adopts_nobody() -> None:
    assert not adopts()
