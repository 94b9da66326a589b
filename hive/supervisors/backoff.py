"""Delay before a restart: geometric steps with a cap and jitter, forgotten after good health."""

from __future__ import annotations

import math
from collections.abc import Iterable

from attrs import frozen

from hive.actors.exits import leaves


@frozen
class Backoff:
    """Times in seconds. Restarts wait `initial`, then `min`, then each time `factor` times more.

    `jitter` (0 to 1) is the part of a delay that chance may take away, so that the cap holds and
    1.0 is full jitter. A child that ran for `healthy_after` since ready() starts anew at `initial`.
    """

    initial: float = 0.0
    min: float = 0.1
    factor: float = 2.0
    max: float = 30.0
    jitter: float = 0.2
    healthy_after: float = 10.0

    def delay(self, failures: int, chance: float) -> float:
        """Seconds to wait after the n-th failure in a row (n >= 1); `chance` is in [0, 1)."""
        if failures <= 1:
            base = self.initial
        elif self._steps_to_cap() <= failures - 2:
            base = self.max
        else:
            base = min(self.max, self.min * self.factor ** (failures - 2))
        return base * (1.0 - self.jitter * chance)

    def failures_after(self, failures: int, healthy_for: float | None) -> int:
        """The new count of failures in a row; `healthy_for` is None if it never became ready."""
        if healthy_for is not None and healthy_for >= self.healthy_after:
            return 1
        return failures + 1

    def faults(self) -> list[str]:
        """What is wrong with these values, in words."""
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
    """Raised by a child that fails and knows when to try again, `seconds` from now.

    The delay replaces the back-off's, up to its `max`; whoever must wait longer raises Park. A
    failure in all else. `cause` becomes `__cause__`. Raises ValueError.
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
    """The longest delay that a RetryAfter among the leaves asks for, within 0 and `cap`."""
    if error is None:
        return None
    asked = [leaf.seconds for leaf in leaves(error) if isinstance(leaf, RetryAfter)]
    return min(max(0.0, *asked), cap) if asked else None


def is_never_retried(error: BaseException | None, classes: tuple[type[Exception], ...]) -> bool:
    """Whether a leaf is of a class that is not worth a retry."""
    return error is not None and any(isinstance(leaf, classes) for leaf in leaves(error))


def class_faults(classes: Iterable[object]) -> list[str]:
    """What is wrong with a list of classes that are not retried."""
    if not isinstance(classes, tuple):
        return [f"never_retry is {classes!r}; allowed: a tuple of exception classes"]
    return [
        f"never_retry has {one!r}; allowed: subclasses of Exception"
        for one in classes
        if not (isinstance(one, type) and issubclass(one, Exception))
    ]
