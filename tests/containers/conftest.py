"""A root folder whose containers all end with the test, and looks at the host's processes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from hive.containers import kill_container, known_names
from hive.processes import all_processes


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "root"
    yield root
    for name in known_names(root):
        kill_container(root, name)


class Probe:
    """What tests ask about the host."""

    @staticmethod
    def running(word: str) -> list[int]:
        """Pids of living processes with this word in their command line."""
        found = []
        for process in all_processes():
            try:
                command = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if word.encode() in command and not process.ended:
                found.append(process.pid)
        return found

    @staticmethod
    def holders(file: Path) -> dict[int, str]:
        """Pids and command names of the processes that have this file open."""
        found = {}
        for link in Path("/proc").glob("[0-9]*/fd/*"):
            try:
                if link.readlink() == file:
                    pid = int(link.parts[2])
                    found[pid] = Path(f"/proc/{pid}/comm").read_text().strip()
            except OSError:
                continue
        return found

    @staticmethod
    async def until(true: Callable[[], bool]) -> None:
        """Wait at most 10 s for something that only the kernel or a container can signal."""
        with trio.fail_after(10):
            while True:
                if true():
                    return
                await trio.sleep(0.005)


@pytest.fixture
def probe() -> Probe:
    return Probe()
