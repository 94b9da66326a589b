"""How tasks end: the exceptions that they may raise on purpose, and the classified result."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from attrs import frozen


class Shutdown(Exception):
    """Raise it to end a child or an actor cleanly, with a reason. It never counts as a crash."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


class Ignored(Exception):
    """Raise it before ready() to decline the start: the child stays known, but does not run."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


class Park(Exception):
    """Raise it to sleep and be started again later. It never counts as a crash.

    `until` is a time of Trio's clock; None means until somebody unparks it.
    """

    def __init__(self, reason: str, until: float | None = None) -> None:
        super().__init__(reason, until)
        self.reason = reason
        self.until = until

    def __str__(self) -> str:
        return self.reason


class ExitKind(StrEnum):
    """The closed set of ways in which an incarnation can end."""

    NORMAL = "normal"
    SHUTDOWN = "shutdown"
    IGNORED = "ignored"
    PARKED = "parked"
    CRASHED = "crashed"


@frozen
class Stop:
    """A supervisor's own record that it asked a task to end.

    `failure` says that the task misbehaved (it was silent, or not ready in time), so that its end
    counts as a crash.
    """

    detail: str
    failure: bool = False


@frozen
class Exit:
    """How an incarnation ended. `error` is what it raised, also while it was being stopped."""

    kind: ExitKind
    detail: str = ""
    error: BaseException | None = None

    @property
    def clean(self) -> bool:
        """Whether it ended as it should: no crash, and nothing raised while it was stopped."""
        return self.kind is not ExitKind.CRASHED and (
            self.kind is not ExitKind.SHUTDOWN or self.error is None
        )

    @property
    def park(self) -> Park | None:
        """The park that it asked for by raising Park, or None."""
        return self.error if isinstance(self.error, Park) else None


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield all exceptions in a group, depth first; the exception itself if it is no group."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def root_cause(error: BaseException) -> BaseException:
    """Return the first leaf of a group, or the exception itself. For display only."""
    return next(leaves(error))


def fatal_part(error: BaseException | None) -> BaseException | None:
    """Return the KeyboardInterrupt or SystemExit inside, which no supervisor may handle, or None.

    The first one is meant if there are several.
    """
    if error is None:
        return None
    for leaf in leaves(error):
        if isinstance(leaf, KeyboardInterrupt | SystemExit):
            return leaf
    return None


def classify(error: BaseException | None, stop: Stop | None) -> Exit:
    """Classify an end: by the supervisor's own record `stop` first, by the exception second.

    None as `error` means that the task returned, None as `stop` that nobody asked it to end. An
    exception of the right type from elsewhere must not pass for a stop that was asked for (the
    defect that suture fixed in 4.0.6), so `stop` decides before anything else. Of a group, one
    crash makes a crash; else one Park makes a park, and the latest wake time counts.
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
