"""Named points at which a test can make the harness fail. Nothing happens unless HIVE_FAULT is set.

`HIVE_FAULT="serve.hang"` fires at every pass, `"serve.hang:once"` at the first one of this process;
several are separated by commas.
"""

import os

import trio

_fired: set[str] = set()


def armed(point: str) -> bool:
    """True if the fault at `point` is to happen now."""
    wanted = os.environ.get("HIVE_FAULT")
    if not wanted:
        return False
    faults = [fault.strip() for fault in wanted.split(",")]
    if point in faults:
        return True
    if f"{point}:once" in faults and point not in _fired:
        _fired.add(point)
        return True
    return False


async def hang(point: str) -> None:
    """Never return if the fault at `point` is armed."""
    if armed(point):
        await trio.sleep_forever()
