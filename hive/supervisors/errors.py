"""All errors that the API of supervisors raises, and how causes are told.

Each text says what was wrong, what is allowed and what to do.
"""

from __future__ import annotations

from hive.actors.exits import root_cause


class SupervisorError(Exception):
    """Base of all errors that this package raises."""


class SpecError(SupervisorError, ValueError):
    """A child spec or a supervisor flag is not acceptable; the text names each fault."""


class NotFound(SupervisorError, LookupError):
    """There is no child with that id, or at that path."""


class AlreadyPresent(SupervisorError):
    """A child with that id exists already."""


class StillRunning(SupervisorError):
    """The operation needs a stopped child, and this one runs or is going to."""


class NotStopped(SupervisorError):
    """The child did not end within its grace; it is overdue and stays reported until it ends."""


class NotRunning(SupervisorError):
    """The supervisor itself does not run, or is stopping."""


class MaxChildren(SupervisorError):
    """The dynamic supervisor has as many children as it may have."""


class StartFailed(SupervisorError):
    """A child did not become ready. `__cause__` is what it raised, or `detail` says why."""

    def __init__(self, path: str, cause: BaseException | None = None, detail: str = "") -> None:
        super().__init__(path, detail)
        self.path = path
        self.detail = detail
        self.__cause__ = cause

    def __str__(self) -> str:
        return f"{self.path} did not start: {self.detail or cause_text(self.__cause__)}"


class IntensityExceeded(SupervisorError):
    """A supervisor gave up, because too many restarts were needed (see RestartIntensity).

    `__cause__` is the failure of its `child` that was one too many; if that child is a supervisor
    that gave up, its `__cause__` is the failure below, and so on: see cause_chain().
    """

    def __init__(
        self, path: str, child: str, intensity: str, cause: BaseException | None, detail: str = ""
    ) -> None:
        super().__init__(path, child)
        self.path = path
        self.child = child
        self.intensity = intensity
        self.detail = detail
        self.__cause__ = cause

    def __str__(self) -> str:
        why = f": {self.detail}" if self.__cause__ is None and self.detail else ""
        return f"{self.path} gave up on {self.child!r} ({self.intensity}){why}"


def cause_text(error: BaseException | None) -> str:
    """Return `Type: text` of the first leaf; never raises, even if the text cannot be made."""
    if error is None:
        return "no reason"
    leaf = root_cause(error)
    try:
        text = str(leaf)
    except Exception as broken:
        text = f"<text unavailable: {type(broken).__name__}>"
    return f"{type(leaf).__name__}: {text}" if text else type(leaf).__name__


def cause_chain(error: BaseException | None) -> tuple[BaseException, ...]:
    """Return the error, its `__cause__`, that one's cause and so on; empty for None.

    Of a group, the cause of the first leaf is followed.
    """
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = root_cause(error).__cause__
    return tuple(chain)
