"""Text for a terminal: cells, tables, times.

Nothing that an agent or the API said may drive the terminal, so their texts go through `safe` or
`cell`.
"""

import time
from collections.abc import Iterable, Sequence
from datetime import datetime

from hive.text import escaped, flattened, shortened

WIDEST = 60

_SOON_S = 600.0
"""Seconds; a moment nearer than this is told with its seconds."""


def safe(text: str) -> str:
    """Return `text` with every control character but line break and tab made visible."""
    return escaped(text, keep="\n\t")


def cell(text: str, width: int = WIDEST) -> str:
    """Return the text on one line for a table, cut to at most `width` characters."""
    return shortened(flattened(safe(text)), width)


def clock(epoch: float) -> str:
    """Write epoch seconds as local time of day, with the date when it is not today."""
    return _local(epoch, "%H:%M:%S")


def moment(epoch: float) -> str:
    """Write epoch seconds like `clock`, but in minutes when that is far from now."""
    return _local(epoch, "%H:%M:%S" if abs(epoch - time.time()) < _SOON_S else "%H:%M")


def _local(epoch: float, time_of_day: str) -> str:
    try:
        when = datetime.fromtimestamp(epoch)
    except (ValueError, OverflowError, OSError):
        return f"{epoch:g}"
    same_day = when.date() == datetime.fromtimestamp(time.time()).date()
    return when.strftime(time_of_day if same_day else f"%Y-%m-%d {time_of_day}")


def ago(seconds: float | None) -> str:
    """Write an age in seconds in its largest unit, such as `5m`; None is `-`."""
    if seconds is None:
        return "-"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s" if seconds >= 1 else "now"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write rows under their header, each column as wide as its widest cell."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def why(reason: str | None, until: float | None) -> str:
    """Write why something is as it is, and until when (epoch seconds); empty without both."""
    parts = [cell(reason)] if reason else []
    if until is not None:
        parts.append(f"until {clock(until)}")
    return ", ".join(parts)
