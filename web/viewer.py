"""One browser's websocket: what it is told, when, and why it is sent away."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import trio
from attrs import frozen

from web.state import PageState

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


async def watch(
    state: PageState, since: int, send: Callable[[bytes], Awaitable[object]]
) -> Goodbye:
    """Send frames of what comes after the event number `since` until the page must go.

    Returns why it must. A frame is a JSON object with any of `events`, `status`, `daemon`
    (`{"away": why or null}`) and `resync`. For a page that reads so slowly that events are gone, it
    is time to go. Raises what `send` raises.
    """
    cursor, generation = since, state.generation
    told: dict[str, Any] = {"status": None, "daemon": {"away": None}}
    while True:
        changed = state.changed
        if state.draining:
            return RESTART
        missed = state.away is None and not state.events.covers(cursor)
        if missed or state.generation != generation:
            await send(orjson.dumps({"resync": True}))
            return RESYNC
        news: dict[str, Any] = {"status": state.status, "daemon": {"away": state.away}}
        frame = {key: value for key, value in news.items() if value and value != told[key]}
        told |= frame
        if state.away is None and (events := state.events.after(cursor)[:FRAME_EVENTS]):
            frame["events"] = [event.json for event in events]
            cursor = events[-1].seq
        if frame:
            await send(orjson.dumps(frame))
        if state.away is not None or state.events.last == cursor:
            if frame:
                await trio.sleep(BATCH)
            with trio.move_on_after(BEAT) as quiet:
                await changed.wait()
            if quiet.cancelled_caught:
                await send(b"{}")
