"""How long to wait before a restart, and after which exceptions there is none."""

from __future__ import annotations

import math
from collections.abc import Iterable

from attrs import frozen

from hive.actors.exits import leaves


@frozen
class Backoff:
    """Growing delays between tries: geometric steps with a cap and jitter. Times in seconds.

    The first failure waits `initial`, the second `min`, and each further one `factor` times more,
    up to `max`. `jitter` (0 to 1) is the part of a delay that chance may take away, so that the cap
    holds and 1.0 is full jitter. Who was healthy for `healthy_after` begins anew at `initial`.
    """

    initial: float = 0.0
    min: float = 0.1
    factor: float = 2.0
    max: float = 30.0
    jitter: float = 0.2
    healthy_after: float = 10.0

    def delay(self, failures: int, chance: float) -> float:
        """Return how long to wait after the n-th failure in a row, in seconds.

        `failures` counts from 1; `chance` is a random number in [0, 1), 0 for the full delay.
        """
        if failures <= 1:
            base = self.initial
        elif self._steps_to_cap() <= failures - 2:
            base = self.max
        else:
            base = min(self.max, self.min * self.factor ** (failures - 2))
        return base * (1.0 - self.jitter * chance)

    def failures_after(self, failures: int, healthy_for: float | None) -> int:
        """Return the count of failures in a row after another one.

        `healthy_for` is how many seconds were good before it, None if it never became ready.
        """
        if healthy_for is not None and healthy_for >= self.healthy_after:
            return 1
        return failures + 1

    def faults(self) -> list[str]:
        """Return what is wrong with these values, a sentence for each fault."""
        faults = []
        if not 0 <= self.initial < math.inf:
            faults.append(f"backoff.initial is {self.initial}; allowed: 0 or more seconds")
        if not 0 < self.min <= self.max < math.inf:
            faults.append(f"backoff needs 0 < min <= max < inf; got {self.min} and {self.max}")
        if not 1 <= self.factor < math.inf:
            faults.append(f"backoff.factor is {self.factor}; allowed: 1 or more")
        if not 0 <= self.jitter <= 1:
            faults.append(f"backoff.jitter is {self.jitter}; allowed: 0 to 1")
        if not self.healthy_after >= 0:
            faults.append(f"backoff.healthy_after is {self.healthy_after}; allowed: 0 or more")
        return faults

    def _steps_to_cap(self) -> float:
        # The power itself overflows after some hundred failures, so compare exponents.
        if self.factor == 1.0:
            return math.inf
        return math.log(self.max / self.min) / math.log(self.factor)


DEFAULT_BACKOFF = Backoff()
PARK_BACKOFF = Backoff(initial=30.0, min=60.0, max=3600.0, healthy_after=60.0)


class RetryAfter(Exception):
    """Raise it in a child that fails and knows when to try again: `seconds` from now.

    The delay replaces that of the back-off, up to its `max`; raise Park to wait longer. In all else
    it is a failure like others. `cause` becomes `__cause__`. Making one raises ValueError when
    `seconds` is no number; less than 0 counts as 0.
    """

    def __init__(self, seconds: float, cause: BaseException | None = None) -> None:
        if math.isnan(seconds):
            raise ValueError("seconds is nan; allowed: a number, below 0 counts as 0")
        super().__init__(seconds)
        self.seconds = seconds
        self.__cause__ = cause

    def __str__(self) -> str:
        why = "" if self.__cause__ is None else f" ({type(self.__cause__).__name__})"
        return f"retry after {self.seconds:g} s{why}"


def retry_delay(error: BaseException | None, cap: float) -> float | None:
    """Return the longest delay that a RetryAfter in `error` asks for, from 0 to `cap` seconds.

    None if there is no RetryAfter among the leaves.
    """
    if error is None:
        return None
    asked = [leaf.seconds for leaf in leaves(error) if isinstance(leaf, RetryAfter)]
    return min(max(0.0, *asked), cap) if asked else None


def is_never_retried(error: BaseException | None, classes: tuple[type[Exception], ...]) -> bool:
    """Return whether a leaf of `error` is of a class after which there is no retry."""
    return error is not None and any(isinstance(leaf, classes) for leaf in leaves(error))


def class_faults(classes: Iterable[object]) -> list[str]:
    """Return what is wrong with a value for `ChildSpec.never_retry`, a sentence for each fault."""
    if not isinstance(classes, tuple):
        return [f"never_retry is {classes!r}; allowed: a tuple of exception classes"]
    return [
        f"never_retry has {one!r}; allowed: subclasses of Exception"
        for one in classes
        if not (isinstance(one, type) and issubclass(one, Exception))
    ]
