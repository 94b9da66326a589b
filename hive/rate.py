"""The rate limiter: a burst at once, then one each so many seconds.

It is the generic cell rate algorithm (ITU-T I.371): one number is the whole state, which does what
a token bucket does.
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
    """Ask whether one more is allowed, and count it if it is.

    Returns the new state, and for how many seconds it is not allowed; 0: it is, and was counted.
    `due` is the state that the last call returned, at first 0.0; `now` is in seconds of a clock
    that only grows.
    """
    wait = due - now - (rate.burst - 1) * rate.every
    if wait > ROUNDING_S:
        return due, wait
    return max(due, now) + rate.every, 0.0
