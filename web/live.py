"""What the web process knows of the hive: one copy for all, written by the upstream."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import trio

from hive.wire.codec import jsonable
from hive.wire.daemon import Status
from hive.wire.events import EventBatch
from web.flow import Flow
from web.ring import Ring

SNAPSHOT_EVENTS = 500


class Live:
    """The daemon's events and status, or why it is away; `changed` is set at every change."""

    def __init__(self) -> None:
        self.ring = Ring()
        self.flow = Flow()
        self.generation = 0
        """Counts breaks in the stream; a viewer of an older generation must take a new snapshot."""
        self.status: orjson.Fragment | None = None
        self.away: str | None = "connecting"
        """Why there is no daemon; None while there is one."""
        self.draining = False
        self.viewers = 0
        self.changed = trio.Event()

    def touch(self) -> None:
        """Wake everyone who waits for `changed`; waiters take the event before they look."""
        self.changed.set()
        self.changed = trio.Event()

    def forget(self) -> None:
        """Empty ring and flow: a link begins, whose history comes anew."""
        self.ring, self.flow = Ring(), Flow()

    def arrive(self) -> None:
        """The daemon is there and its history too."""
        self.generation += 1
        self.away = None
        self.touch()

    def lose(self, why: str) -> None:
        self.away = why
        self.status = None
        self.touch()

    def add(self, batch: EventBatch) -> None:
        self.flow.fold(self.ring.append(batch.events))
        self.touch()

    def set_status(self, status: Status) -> None:
        self.status = orjson.Fragment(orjson.dumps(jsonable(status)))
        self.touch()

    def drain(self) -> None:
        """The process is about to end: viewers say goodbye."""
        self.draining = True
        self.touch()

    @contextmanager
    def viewer(self) -> Iterator[None]:
        """Count a browser; only while there is one is the daemon asked for its status."""
        self.viewers += 1
        self.touch()
        try:
            yield
        finally:
            self.viewers -= 1
            self.touch()

    async def wait_viewers(self, some: bool) -> None:
        """Wait until there is a viewer, or until there is none."""
        while bool(self.viewers) is not some:
            await self.changed.wait()

    def snapshot(self) -> dict[str, Any]:
        """Everything that a page starts from; its stream goes on after `seq`."""
        return {
            "seq": self.ring.last,
            "status": self.status,
            "events": [event.json for event in self.ring.newest(SNAPSHOT_EVENTS)],
            "messages": self.flow.messages(),
        }
