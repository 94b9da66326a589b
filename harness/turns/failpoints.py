"""Named points at which a test can make the harness fail (fail points, as FreeBSD's fail(9)).

Nothing happens unless HIVE_FAULT is set: `"serve.hang"` fires at every pass, `"serve.hang:once"` at
the first one of this process; several are separated by commas.
"""

import os

import trio

_fired: set[str] = set()


def armed(point: str) -> bool:
    """Whether the harness is to fail at `point` now."""
    wanted = os.environ.get("HIVE_FAULT")
    if not wanted:
        return False
    points = [one.strip() for one in wanted.split(",")]
    if point in points:
        return True
    if f"{point}:once" in points and point not in _fired:
        _fired.add(point)
        return True
    return False


async def hang(point: str) -> None:
    """Never return if the harness is to fail at `point`; else return at once."""
    if armed(point):
        await trio.sleep_forever()
