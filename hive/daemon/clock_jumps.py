"""Jumps of the machine's clocks (sleep, a clock that was set), in words for the operator."""

import time
from collections.abc import Iterator

import trio
from attrs import frozen

from hive.clock import LoopClock

JUMP_S = 5.0
"""Seconds; what is less is a busy machine, or a clock that is being corrected."""


@frozen
class MachineClocks:
    """All clocks at one moment, in seconds.

    `wall` counts from 1970, `boot` since the boot, sleep included, `awake` without it, and `lost`
    is what our event loop did not count (hive.clock).
    """

    wall: float
    boot: float
    awake: float
    lost: float

    @classmethod
    def now(cls) -> "MachineClocks":
        """Read them; must be called in Trio."""
        clock = trio.lowlevel.current_clock()
        return cls(
            time.time(),
            time.clock_gettime(time.CLOCK_BOOTTIME),
            time.monotonic(),
            clock.lost if isinstance(clock, LoopClock) else 0.0,
        )


def jumps(before: MachineClocks, after: MachineClocks) -> Iterator[str]:
    """Return what happened to time between two readings, a sentence for each jump; mostly none."""
    still = after.lost - before.lost
    if still > JUMP_S:
        yield (
            f"the daemon stood still for {still:.0f} s (stopped, or without a processor): all that "
            "waited for an answer goes on where it was"
        )
    boot = after.boot - before.boot
    asleep = boot - (after.awake - before.awake)
    if asleep > JUMP_S:
        yield f"the machine slept for {asleep:.0f} s: what was due meanwhile is done now"
    moved = after.wall - before.wall - boot
    if abs(moved) > JUMP_S:
        way = "forward" if moved > 0 else "back"
        yield (
            f"the machine's clock was set {way} by {abs(moved):.0f} s: waits of the hive last as "
            "long as before, what is for a time of the day goes by the new time"
        )
