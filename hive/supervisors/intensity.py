"""Restart intensity: with too many failures in a short time, or in a row, a supervisor gives up."""

from __future__ import annotations

import math

from attrs import frozen


@frozen
class RestartIntensity:
    """At most `intensity` failures within `period` seconds, of all children together.

    OTP's rule (`add_restart` in supervisor.erl): a failure exactly `period` old still counts.
    `in_a_row`: also at most so many failures of one child without a healthy time between them, for
    children whose back-off is too slow for the period; None: any number.
    """

    intensity: int = 5
    period: float = 30.0
    in_a_row: int | None = None

    def add(self, failures: tuple[float, ...], now: float) -> tuple[tuple[float, ...], bool]:
        """The failures that still count, with this one, and whether that is too many."""
        recent = (*(at for at in failures if now - at <= self.period), now)
        return recent, len(recent) > self.intensity

    def worn_out(self, failures: int) -> bool:
        """Whether one child's failures in a row are too many."""
        return self.in_a_row is not None and failures > self.in_a_row

    def faults(self) -> list[str]:
        """What is wrong with these values, in words."""
        faults = []
        if isinstance(self.intensity, bool) or not isinstance(self.intensity, int):
            faults.append(f"intensity.intensity is {self.intensity!r}; allowed: a whole number")
        elif self.intensity < 0:
            faults.append(f"intensity.intensity is {self.intensity}; allowed: 0 or more")
        if self.in_a_row is not None and (
            isinstance(self.in_a_row, bool)
            or not isinstance(self.in_a_row, int)
            or self.in_a_row < 0
        ):
            faults.append(f"intensity.in_a_row is {self.in_a_row!r}; allowed: None, 0 or more")
        if not 0 < self.period < math.inf:
            faults.append(f"intensity.period is {self.period}; allowed: seconds above 0")
        return faults

    def __str__(self) -> str:
        row = "" if self.in_a_row is None else f", or {self.in_a_row} of one child in a row"
        return f"more than {self.intensity} failures in {self.period:g} s{row}"


DEFAULT_INTENSITY = RestartIntensity()
