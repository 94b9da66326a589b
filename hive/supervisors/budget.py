"""Restart budget: more than `intensity` failures within `period` and the supervisor gives up."""

from __future__ import annotations

import math

from attrs import frozen


@frozen
class Budget:
    """OTP's rule (`add_restart` in supervisor.erl): a failure exactly `period` old still counts."""

    intensity: int = 5
    period: float = 30.0

    def add(self, failures: tuple[float, ...], now: float) -> tuple[tuple[float, ...], bool]:
        """The failures that still count, with this one, and whether that is too many."""
        recent = (*(at for at in failures if now - at <= self.period), now)
        return recent, len(recent) > self.intensity

    def faults(self) -> list[str]:
        """What is wrong with these values, in words."""
        faults = []
        if isinstance(self.intensity, bool) or not isinstance(self.intensity, int):
            faults.append(f"budget.intensity is {self.intensity!r}; allowed: a whole number")
        elif self.intensity < 0:
            faults.append(f"budget.intensity is {self.intensity}; allowed: 0 or more")
        if not 0 < self.period < math.inf:
            faults.append(f"budget.period is {self.period}; allowed: seconds above 0")
        return faults

    def __str__(self) -> str:
        return f"more than {self.intensity} failures in {self.period:g} s"


DEFAULT_BUDGET = Budget()
