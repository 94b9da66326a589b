"""What a tree looks like at one moment: values for a command line or a page."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from attrs import frozen

from hive.supervisors.events import PastEvent


class State(StrEnum):
    """The closed set of states, the same everywhere."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    BACKOFF = "backoff"
    PARKED = "parked"
    STOPPED = "stopped"
    OVERDUE = "overdue"
    FAILED = "failed"


@frozen(slots=False)  # made by the thousand: without slots attrs makes it three times as fast
class Snapshot:
    """One child and all below it. Times are Trio times; `note` and `reason` are untrusted text.

    `history`: the last events of the child, oldest first.
    """

    path: str
    id: str
    kind: str
    state: State
    reason: str | None
    until: float | None
    since: float
    restarts: int
    last_tick: float | None
    note: str | None
    incarnation: int
    children: tuple[Snapshot, ...] = ()
    suspended: bool = False
    history: tuple[PastEvent, ...] = ()

    def walk(self) -> Iterator[Snapshot]:
        """This snapshot and all below it, in start order."""
        yield self
        for child in self.children:
            yield from child.walk()

    def find(self, path: str) -> Snapshot | None:
        """The snapshot with that path, or None."""
        return next((one for one in self.walk() if one.path == path), None)


@frozen
class ChildCounts:
    """How many children; `active` have a live incarnation, the others sum up by state."""

    specs: int
    active: int
    supervisors: int
    workers: int
    backoff: int
    parked: int
    overdue: int
