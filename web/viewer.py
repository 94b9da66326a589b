"""One browser's websocket: what it is told, when, and why it is sent away."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import trio
from attrs import frozen

from web.live import Live

BATCH = 0.05
"""Seconds between two frames: what happens meanwhile goes into one."""

BEAT = 5.0
"""Seconds of silence after which an empty frame says that the hive is still there."""

FRAME_EVENTS = 500


@frozen
class Goodbye:
    """A websocket close: its code and reason."""

    code: int
    reason: str


RESYNC = Goodbye(4408, "resync")
"""Events are missing between the page's place and ours: it takes a new snapshot."""

RESTART = Goodbye(1012, "service restart")
FULL = Goodbye(1013, "too many pages are open")
BROKEN = Goodbye(1011, "internal error")


async def watch(live: Live, since: int, send: Callable[[bytes], Awaitable[object]]) -> Goodbye:
    """Send frames of what comes after `since` until the page must go; returns why.

    A frame is an object with any of `events`, `status`, `daemon` (`{"away": why or null}`) and
    `resync`. A page that reads too slowly finds its place overwritten in the ring.
    """
    cursor, generation = since, live.generation
    told: dict[str, Any] = {"status": None, "daemon": {"away": None}}
    while True:
        changed = live.changed
        if live.draining:
            return RESTART
        if live.generation != generation or (live.away is None and not live.ring.covers(cursor)):
            await send(orjson.dumps({"resync": True}))
            return RESYNC
        news: dict[str, Any] = {"status": live.status, "daemon": {"away": live.away}}
        frame = {key: value for key, value in news.items() if value and value != told[key]}
        told |= frame
        if live.away is None and (events := live.ring.after(cursor)[:FRAME_EVENTS]):
            frame["events"] = [event.json for event in events]
            cursor = events[-1].seq
        if frame:
            await send(orjson.dumps(frame))
        if live.away is not None or live.ring.last == cursor:
            if frame:
                await trio.sleep(BATCH)
            with trio.move_on_after(BEAT) as quiet:
                await changed.wait()
            if quiet.cancelled_caught:
                await send(b"{}")
