"""Contestants run in turns, so that what else the machine does hits them alike."""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

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


def contest(
    contestants: Mapping[str, Callable[[int, Stopwatch], None]], count: int, rounds: int = ROUNDS
) -> dict[str, float]:
    """Each does `count` things in each round; things per second in its median round.

    Not the best: threads have rare lucky rounds, in which the system happens to leave them on one
    processor.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            gc.collect()  # nobody pays for what another one left
            watch = Stopwatch()
            run(count, watch)
            seconds[name].append(watch.seconds)
    return {name: count / statistics.median(times) for name, times in seconds.items()}
