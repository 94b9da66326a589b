"""Memory and processor time of processes, from /proc."""

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import frozen

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PRESENT = 1 << 63
_FRAME = (1 << 55) - 1
_USER_SPACE = 1 << 47


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


def distinct(pids: Iterable[int]) -> float | None:
    """MiB of memory that these processes occupy together, each page once; None if not root."""
    frames = {frame for pid in pids for frame in _frames(pid)}
    return None if frames <= {0} else len(frames) * _PAGE / 2**20


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


def _frames(pid: int) -> Iterator[int]:
    """Page frames in memory, from /proc/PID/pagemap; the kernel says 0 to all but root."""
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with Path(f"/proc/{pid}/pagemap").open("rb", buffering=0) as pagemap:
        for line in maps:
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            if start < _USER_SPACE:
                pagemap.seek(start // _PAGE * 8)
                for (entry,) in struct.iter_unpack("Q", pagemap.read((end - start) // _PAGE * 8)):
                    if entry & _PRESENT:
                        yield entry & _FRAME


def _words(pid: int) -> list[str]:
    return [Path(word).name for word in Path(f"/proc/{pid}/cmdline").read_text().split("\0")]


def _stat(pid: int) -> list[str]:
    """The fields behind the program's name: state, parent, …"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _rollup(pid: int) -> dict[str, int]:
    """Sizes in KiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) for line in lines}
