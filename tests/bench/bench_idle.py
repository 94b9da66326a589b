"""Fifty agents with nothing to do: memory, processor time, and the time of `hive status`."""

import statistics
import time
from collections.abc import Callable

import trio
from bench.figures import Book
from bench.operator_link import operator_link
from bench.processes import cpu_seconds, distinct, family, memory
from support.running import RunningHive

AGENTS = 50
SETTLE_S = 20.0
WATCH_S = 30.0
STATUS_RUNS = 9
TURNS = 20
PART = f"{AGENTS} agents idle, bubblewrap"


async def test_idle(stub_hive: Callable[[], RunningHive], book: Book) -> None:
    hive = stub_hive()
    async with operator_link(hive) as operator:
        names = await operator.populate(AGENTS)
    await trio.sleep(SETTLE_S)
    await _daemon(hive, names, book)
    _status(hive, book)
    _harnesses(hive, names, book)
    await _after_turns(hive, names[-1], book)


async def _daemon(hive: RunningHive, names: tuple[str, ...], book: Book) -> None:
    pids = [hive.pid, *(hive.process_inside(name, "harness") for name in names)]
    before = [cpu_seconds(pid) for pid in pids]
    began = time.monotonic()
    await trio.sleep(WATCH_S)
    took = time.monotonic() - began
    used = [cpu_seconds(pid) - was for pid, was in zip(pids, before, strict=True)]
    size = memory([hive.pid])
    book.add(PART, "daemon, resident", size.rss, "MiB", at_most=150)
    book.add(PART, "daemon, processor", used[0] / took * 100, "%", at_most=3)
    book.add(PART, "one harness, processor, mean", statistics.mean(used[1:]) / took * 100, "%")


def _status(hive: RunningHive, book: Book) -> None:
    """The command as a whole process, as somebody at a terminal sees it."""
    took = []
    for _ in range(STATUS_RUNS):
        began = time.monotonic()
        shown = hive.ok("status")
        took.append(time.monotonic() - began)
        assert f"a-{AGENTS - 1}" in shown
    book.add(PART, "`hive status`, median", statistics.median(took), "s", at_most=0.5)


def _container(hive: RunningHive, name: str) -> list[int]:
    """All processes of one container but claude and what that started."""
    return family(hive.keeper(name), without="claude")


def _harnesses(hive: RunningHive, names: tuple[str, ...], book: Book) -> None:
    sizes = [memory(_container(hive, name)) for name in names]
    book.add(PART, "harness, never woken, RSS", statistics.median(s.rss for s in sizes), "MiB")
    book.add(PART, "harness, never woken, PSS", statistics.median(s.pss for s in sizes), "MiB")


async def _after_turns(hive: RunningHive, name: str, book: Book) -> None:
    """With its claude alive: one more bubblewrap, and what turns leave behind."""
    async with operator_link(hive) as operator:
        for _ in range(TURNS):
            await operator.turn(name, "work")
    await trio.sleep(1)
    pids = _container(hive, name)
    size, occupied = memory(pids), distinct(pids)
    what = f"harness, after {TURNS} turns,"
    if occupied is not None:
        book.add(PART, f"{what} each page once", occupied, "MiB", at_most=40)
    rss_target = 40 if occupied is None else None
    book.add(PART, f"{what} RSS of 5 processes", size.rss, "MiB", at_most=rss_target)
    book.add(PART, f"{what} PSS", size.pss, "MiB")
    python = memory([hive.process_inside(name, "harness")])
    book.add(PART, "of this, Python, RSS", python.rss, "MiB")
