"""Contestants run in turns, so that what else the machine does hits them alike."""

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import trio

ROUNDS = 12


class Stopwatch:
    """Counts the seconds inside its `with` blocks."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - began


Work = Callable[[int, Stopwatch], None]


def contest(contestants: Mapping[str, Work], count: int, rounds: int = ROUNDS) -> dict[str, float]:
    """Each does `count` things in each round; things per second in its median round.

    Not the best: threads have rare lucky rounds, in which the system happens to leave them on one
    processor.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            seconds[name].append(timed(run, count))
    return {name: count / statistics.median(times) for name, times in seconds.items()}


def best(run: Work, count: int, rounds: int) -> float:
    """Things per second of one that competes with nobody: what else happens only adds time."""
    return count / min(timed(run, count) for _ in range(rounds))


def timed(run: Work, count: int) -> float:
    """Seconds on its stopwatch."""
    gc.collect()  # nobody pays for what another one left
    watch = Stopwatch()
    run(count, watch)
    return watch.seconds


def in_trio(work: Callable[[int, Stopwatch], Awaitable[None]]) -> Work:
    """A contestant that runs in a Trio loop of its own."""
    return partial(trio.run, work)  # type: ignore[arg-type]  # trio.run() is sure of coroutines
