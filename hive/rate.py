"""How often something may be done: a burst at once, then one each so many seconds.

The generic cell rate algorithm (ITU-T I.371): one number is the whole state of a token bucket.
"""

from attrs import frozen

ROUNDING_S = 1e-6
"""What sums of floats are off by: the last of a burst must not be refused for that."""


@frozen
class Rate:
    """`burst` at once, after that one each `every` seconds."""

    burst: int
    every: float


def allowed(due: float, now: float, rate: Rate) -> tuple[float, float]:
    """The new state, and for how many seconds it is not allowed (0: it is, and was counted).

    `due` is what the last call gave, at first 0.0; `now` in seconds of a clock that only grows.
    """
    wait = due - now - (rate.burst - 1) * rate.every
    if wait > ROUNDING_S:
        return due, wait
    return max(due, now) + rate.every, 0.0
