"""Why a task ended: the exceptions it may raise on purpose, and the classified result."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from attrs import frozen


class Shutdown(Exception):
    """Raised by a task to end cleanly with a reason; never counted as a crash."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


class Ignored(Exception):
    """Raised before ready() to decline the start; the child is kept, but not running."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


class Park(Exception):
    """Raised to sleep until `until` (Trio time; None: until somebody unparks it). Not a crash."""

    def __init__(self, reason: str, until: float | None = None) -> None:
        super().__init__(reason, until)
        self.reason = reason
        self.until = until

    def __str__(self) -> str:
        return self.reason


class ExitKind(StrEnum):
    """The closed set of ways in which a task can end."""

    NORMAL = "normal"
    SHUTDOWN = "shutdown"
    IGNORED = "ignored"
    PARKED = "parked"
    CRASHED = "crashed"


@frozen
class Stop:
    """Our own record that we asked a task to end; `failure` when because it misbehaved."""

    detail: str
    failure: bool = False


@frozen
class Exit:
    """How a task ended. `error` is what it raised, also what it raised while being stopped."""

    kind: ExitKind
    detail: str = ""
    error: BaseException | None = None

    @property
    def clean(self) -> bool:
        """True unless it crashed, or raised while it was being stopped."""
        return self.kind is not ExitKind.CRASHED and (
            self.kind is not ExitKind.SHUTDOWN or self.error is None
        )

    @property
    def park(self) -> Park | None:
        """The park that it asked for."""
        return self.error if isinstance(self.error, Park) else None


def leaves(error: BaseException) -> Iterator[BaseException]:
    """All exceptions in a group, depth first; the exception itself if it is no group."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def root_cause(error: BaseException) -> BaseException:
    """The leaf that says most: descends groups of one, else the first leaf. For display only."""
    return next(leaves(error))


def fatal_part(error: BaseException | None) -> BaseException | None:
    """The KeyboardInterrupt or SystemExit inside, which no supervisor may handle."""
    if error is None:
        return None
    for leaf in leaves(error):
        if isinstance(leaf, KeyboardInterrupt | SystemExit):
            return leaf
    return None


def classify(error: BaseException | None, stop: Stop | None) -> Exit:
    """Judge an end by our own record first, by the exception second.

    An exception of the right type from elsewhere must not pass for a stop that we asked for
    (the defect that suture fixed in 4.0.6), so `stop` decides before anything else.
    """
    if stop is not None:
        if stop.failure:
            return Exit(ExitKind.CRASHED, stop.detail, error)
        leftover = None if error is None or _all(error, Shutdown, Park, Ignored) else error
        return Exit(ExitKind.SHUTDOWN, stop.detail, leftover)
    if error is None:
        return Exit(ExitKind.NORMAL)
    if not _all(error, Shutdown, Park, Ignored):
        return Exit(ExitKind.CRASHED, "", error)
    parks = [leaf for leaf in leaves(error) if isinstance(leaf, Park)]
    if parks:
        last = max(parks, key=_wake)
        return Exit(ExitKind.PARKED, last.reason, last)
    kind = ExitKind.IGNORED if _all(error, Ignored) else ExitKind.SHUTDOWN
    return Exit(kind, str(root_cause(error)))


def _all(error: BaseException, *types: type[BaseException]) -> bool:
    return all(isinstance(leaf, types) for leaf in leaves(error))


def _wake(park: Park) -> float:
    return float("inf") if park.until is None else park.until
