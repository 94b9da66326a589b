"""What the pages show of the hive: one copy for all of them, written by the upstream."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import trio

from hive.wire.codec import jsonable
from hive.wire.daemon import Status
from hive.wire.events import EventBatch
from web.events import RecentEvents
from web.messages import RecentMessages

SNAPSHOT_EVENTS = 500


class PageState:
    """The daemon's newest events and its status, or why it is away.

    `changed` is set at every change and then replaced by a fresh event.
    """

    def __init__(self) -> None:
        self.events = RecentEvents()
        self.messages = RecentMessages()
        self.generation = 0
        """Counts breaks in the stream; a viewer of an older generation must take a new snapshot."""
        self.status: orjson.Fragment | None = None
        self.away: str | None = "connecting"
        """Why there is no daemon; None while there is one."""
        self.draining = False
        self.viewers = 0
        self.changed = trio.Event()

    def touch(self) -> None:
        """Wake everyone who waits for `changed`; who waits takes the event before it looks."""
        self.changed.set()
        self.changed = trio.Event()

    def forget(self) -> None:
        """Drop all events and messages: a link begins, whose history comes anew."""
        self.events, self.messages = RecentEvents(), RecentMessages()

    def arrive(self) -> None:
        """Note that the daemon is there, and its history too."""
        self.generation += 1
        self.away = None
        self.touch()

    def lose(self, why: str) -> None:
        """Note that the daemon is away, and why, for the page to say."""
        self.away = why
        self.status = None
        self.touch()

    def add(self, batch: EventBatch) -> None:
        """Take up the events of the batch that are new."""
        self.messages.fold(self.events.append(batch.events))
        self.touch()

    def set_status(self, status: Status) -> None:
        """Replace the status that pages are shown."""
        self.status = orjson.Fragment(orjson.dumps(jsonable(status)))
        self.touch()

    def drain(self) -> None:
        """Note that the process is about to end: viewers close their pages' websockets."""
        self.draining = True
        self.touch()

    @contextmanager
    def viewer(self) -> Iterator[None]:
        """Count a browser for the block.

        Only while there is one is the daemon asked for its status.
        """
        self.viewers += 1
        self.touch()
        try:
            yield
        finally:
            self.viewers -= 1
            self.touch()

    async def wait_viewers(self, some: bool) -> None:
        """Wait until there is a viewer if `some`, else until there is none."""
        while bool(self.viewers) is not some:
            await self.changed.wait()

    def snapshot(self) -> dict[str, Any]:
        """Return all that a page starts from, as JSON types; its stream goes on after `seq`."""
        return {
            "seq": self.events.last,
            "status": self.status,
            "events": [event.json for event in self.events.newest(SNAPSHOT_EVENTS)],
            "messages": self.messages.flat(),
        }
