"""Supervisor flags: restart intensity, strategy and the like, and the check of them."""

from __future__ import annotations

import math
from collections.abc import Callable

from attrs import evolve, frozen

from hive.supervisors.errors import SpecError
from hive.supervisors.spec import AutoShutdown, Strategy


@frozen
class RestartIntensity:
    """How many failures are allowed before a supervisor gives up.

    At most `intensity` within `period` seconds, of all children together, by OTP's rule
    (`add_restart` in supervisor.erl): a failure exactly `period` old still counts. With `in_a_row`,
    also at most so many of one child without a healthy time between them, for children whose
    back-off is too slow for the period; None: any number.
    """

    intensity: int = 5
    period: float = 30.0
    in_a_row: int | None = None

    def add(self, failures: tuple[float, ...], now: float) -> tuple[tuple[float, ...], bool]:
        """Return the times of failures that still count, with this one, and whether it is too many.

        `failures` is what the last call returned, at first empty; `now` is a time of Trio's clock.
        """
        recent = (*(at for at in failures if now - at <= self.period), now)
        return recent, len(recent) > self.intensity

    def too_many_in_a_row(self, failures: int) -> bool:
        """Return whether so many failures of one child in a row are too many."""
        return self.in_a_row is not None and failures > self.in_a_row

    def faults(self) -> list[str]:
        """Return what is wrong with these values, a sentence for each fault."""
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


@frozen
class SupervisorFlags:
    """What distinguishes one supervisor from another, besides its children.

    `random` gives numbers in [0, 1) for jitter. `dynamic` says that the set of children is not
    fixed. `width` is how many children start, or stop, at a time.
    """

    strategy: Strategy
    intensity: RestartIntensity
    auto_shutdown: AutoShutdown
    random: Callable[[], float]
    width: int = 1
    dynamic: bool = False
    max_children: float = math.inf


def check_flags(flags: SupervisorFlags) -> None:
    """Check supervisor flags. Raises SpecError that names every fault."""
    faults = [f"intensity is {flags.intensity!r}; allowed: a RestartIntensity"]
    if isinstance(flags.intensity, RestartIntensity):
        faults = flags.intensity.faults()
    if not isinstance(flags.strategy, Strategy):
        faults.append(f"strategy is {flags.strategy!r}; allowed: a member of Strategy")
    if not isinstance(flags.auto_shutdown, AutoShutdown):
        faults.append(
            f"auto_shutdown is {flags.auto_shutdown!r}; allowed: a member of AutoShutdown"
        )
    if faults:
        raise SpecError("; ".join(faults))


def changed_flags(
    flags: SupervisorFlags,
    strategy: Strategy | None,
    intensity: RestartIntensity | None,
    auto_shutdown: AutoShutdown | None,
) -> SupervisorFlags:
    """Return the flags with those replaced that are not None. Raises SpecError."""
    flags = evolve(
        flags,
        strategy=flags.strategy if strategy is None else strategy,
        intensity=flags.intensity if intensity is None else intensity,
        auto_shutdown=flags.auto_shutdown if auto_shutdown is None else auto_shutdown,
    )
    check_flags(flags)
    if flags.dynamic and flags.strategy is not Strategy.ONE_FOR_ONE:
        raise SpecError(f"strategy is {flags.strategy}; allowed in a dynamic one: one_for_one")
    return flags
