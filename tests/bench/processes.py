"""Memory and processor time of processes, from /proc."""

import os
from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

_TICK = os.sysconf("SC_CLK_TCK")


@frozen
class Memory:
    """Resident and proportional set sizes in MiB; shared pages count fully in `rss`."""

    rss: float
    pss: float


def memory(pids: Iterable[int]) -> Memory:
    """The sums over these processes."""
    fields = [_rollup(pid) for pid in pids]
    return Memory(
        sum(one["Rss"] for one in fields) / 1024, sum(one["Pss"] for one in fields) / 1024
    )


def cpu_seconds(pid: int) -> float:
    """Processor time that the process has used, its threads included."""
    user, system = _stat(pid)[11:13]
    return (int(user) + int(system)) / _TICK


def family(pid: int, *, without: str) -> list[int]:
    """The process and all below it, but for those whose program is `without` and all below them."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            children.setdefault(int(_stat(int(folder.name))[1]), []).append(int(folder.name))
        except OSError:
            continue
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        if without not in _words(one)[:3]:
            found.append(one)
            todo += children.get(one, [])
    return found


def _words(pid: int) -> list[str]:
    return [Path(word).name for word in Path(f"/proc/{pid}/cmdline").read_text().split("\0")]


def _stat(pid: int) -> list[str]:
    """The fields behind the program's name: state, parent, …"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _rollup(pid: int) -> dict[str, int]:
    """Sizes in KiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) for line in lines}
