"""What distinguishes one supervisor from another, besides its children."""

from __future__ import annotations

import math
from collections.abc import Callable

from attrs import frozen

from hive.supervisors.errors import SpecError
from hive.supervisors.intensity import RestartIntensity
from hive.supervisors.spec import AutoShutdown, Strategy


@frozen
class Flags:
    """`random` gives chances in [0, 1) for jitter. `dynamic`: the set of children is not fixed."""

    strategy: Strategy
    intensity: RestartIntensity
    auto_shutdown: AutoShutdown
    random: Callable[[], float]
    width: int = 1  # how many children start, or stop, at a time
    dynamic: bool = False
    max_children: float = math.inf


def check_flags(flags: Flags) -> None:
    """Raise SpecError naming every fault."""
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
