"""Limits of a process: raised to what is allowed, refused in clear words when too low."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.running import HIVE, scrubbed

RAISED = """
import resource
from hive.rlimits import FILES, raise_limits
resource.setrlimit(resource.RLIMIT_NOFILE, (100, {hard}))
raise_limits(FILES)
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    done = subprocess.run(
        [sys.executable, "-c", RAISED.format(hard=300)], capture_output=True, text=True
    )
    assert done.stdout == "(300, 300)\n", done.stderr


@pytest.mark.parametrize("program", ["up", "daemon", "web"])
@pytest.mark.parametrize("files", [20, 32, 255])
def test_too_few_files_are_refused_in_a_line(tmp_path: Path, program: str, files: int) -> None:
    root = tmp_path / "root"
    done = subprocess.run(
        ["bash", "-c", f"ulimit -n {files}; exec {HIVE} {program} --root {root}"],
        env=scrubbed(ANTHROPIC_API_KEY="never-used"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert f"the limit of open files is {files}, at least 256 are needed" in done.stderr
    assert "ulimit -n" in done.stderr and "LimitNOFILE" in done.stderr
    assert not root.exists()


@pytest.mark.parametrize(
    ("option", "amount", "says"),
    [
        ("-u", 50, "processes of the user is 50"),
        ("-f", 100, "bytes in a file is 102400"),
        ("-v", 1_000_000, "bytes of address space is 1024000000"),
    ],
)
def test_other_limits_are_refused_too(tmp_path: Path, option: str, amount: int, says: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f"ulimit {option} {amount}; exec {HIVE} up --root {tmp_path / 'root'}"],
        env=scrubbed(ANTHROPIC_API_KEY="never-used"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert says in done.stderr and f"ulimit {option}" in done.stderr


FLOOD = """
import logging, os, resource, socket, sys, trio
from pathlib import Path
from hive.link import serve, RefuseHello
from hive import logs

async def accept(hello, credentials):
    raise RefuseHello("no", "no")

async def main(path):
    async with trio.open_nursery() as nursery:
        await nursery.start(serve, path, accept)
        used = len(os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 6, 4096))
        with trio.fail_after(30):
            clients = []
            for _ in range(5):  # each takes two: one here, one where it is accepted
                try:
                    clients.append(socket.socket(socket.AF_UNIX))
                except OSError:
                    break
                clients[-1].connect(str(path))
            await trio.sleep(1.5)  # it tries again every 0.1 s
            print("full", flush=True)
            for client in clients:
                client.close()
            client = await trio.open_unix_socket(path)
            await client.send_all(b"garbage\\r\\n\\r\\n")
            while await client.receive_some():
                pass
            print("serves again", flush=True)
        nursery.cancel_scope.cancel()

logs.set_up("%(message)s", level=logging.INFO)
trio.run(main, Path(sys.argv[1]))
"""


def test_used_up_descriptors_are_survived_and_told_once(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FLOOD, str(tmp_path / "s")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "full\nserves again\n", done.stderr
    assert done.stderr.count("Too many open files") == 1, done.stderr
    assert "Traceback" not in done.stderr
