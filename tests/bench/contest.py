"""Contestants run in turns, so that what else the machine does hits them alike."""

import gc
import math
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
    """Each does `count` things in each round; things per second in its best round.

    The best, not the median: what else happens on the machine only ever adds time, and not to all
    alike.
    """
    best = dict.fromkeys(contestants, math.inf)
    for _ in range(rounds):
        for name, run in contestants.items():
            gc.collect()  # nobody pays for what another one left
            watch = Stopwatch()
            run(count, watch)
            best[name] = min(best[name], watch.seconds)
    return {name: count / seconds for name, seconds in best.items()}
