"""What an exception says about its retry: how long to wait, or that there is no point in one."""

from __future__ import annotations

import math
from collections.abc import Iterable

from hive.actors.exits import leaves


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


def is_final(error: BaseException | None, classes: tuple[type[Exception], ...]) -> bool:
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
