"""Snapshots: what a tree looks like at one moment, as values for a command line or a page."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from attrs import frozen

from hive.supervisors.events import PastEvent


class State(StrEnum):
    """The closed set of states of a child."""

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
    """One child as it is now, and all below it. Times are those of Trio's clock.

    `since` is when it entered `state`; `reason` says why and `until` to when, None where there is
    none. `restarts` counts those since its supervisor began. `last_tick` and `note` are what the
    child told by its Context, None if nothing; `incarnation` is 0 before the first start. `history`
    are its last events, oldest first. `note`, `reason` and `history` hold untrusted text.
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
        """Yield this snapshot and all below it, in start order."""
        yield self
        for child in self.children:
            yield from child.walk()

    def find(self, path: str) -> Snapshot | None:
        """Return the snapshot with that path, which may be this one; None if there is none."""
        return next((one for one in self.walk() if one.path == path), None)


@frozen
class ChildCounts:
    """How many children there are: in all, with a live incarnation (`active`), and by kind.

    `backoff`, `parked` and `overdue` count those in that state.
    """

    specs: int
    active: int
    supervisors: int
    workers: int
    backoff: int
    parked: int
    overdue: int
