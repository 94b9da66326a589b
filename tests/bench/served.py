"""Agents' sockets, the broker and the store in a process of their own (agent_sockets.py)."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen
from support.running import scrubbed

TESTS = Path(__file__).resolve().parents[1]


@frozen
class Served:
    """The process, and where each agent's socket is."""

    pid: int
    sockets: list[Path]


@contextmanager
def served(root: Path, agents: int, batch: int) -> Iterator[Served]:
    """Serve so many agents from the hive at `root`, `batch` jobs in one commit at most."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.agent_sockets", root, str(agents), str(batch)],
        env=scrubbed(PYTHONPATH=str(TESTS)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield Served(process.pid, [Path(path) for path in json.loads(process.stdout.readline())])
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(20)
