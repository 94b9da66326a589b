"""Which container drivers this hive offers, by name."""

from collections.abc import Mapping

from hive.containers import Bubblewrap, Driver, UnsafeProcess


class UnknownDriver(ValueError):
    """No driver has that name; the text lists those that exist."""


def drivers(*, unsafe_no_container: bool) -> Mapping[str, Driver]:
    """One driver of each kind; `process` refuses to start unless it is allowed."""
    found: tuple[Driver, ...] = (Bubblewrap(), UnsafeProcess(allowed=unsafe_no_container))
    return {driver.name: driver for driver in found}


def driver_named(name: str, known: Mapping[str, Driver]) -> Driver:
    """The driver called `name`; raises UnknownDriver."""
    if name not in known:
        raise UnknownDriver(f"there is no driver {name!r}; there are: {', '.join(sorted(known))}")
    return known[name]
