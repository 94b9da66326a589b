"""The socket in the agent's container by which its programs send it messages, which wake it.

Whoever connects is some process of the agent. What it says is untrusted, and nothing that it does
ends more than its own connection.
"""

import json
import logging
import os
import uuid
from pathlib import Path

import trio

from harness.lenient_json import Json, as_text
from harness.link import Link, NotConnected
from harness.wake_command import MOST_BYTES, SOCKET_NAME
from hive.link import RemoteError, bind
from hive.supervisors import Context
from hive.wire.codec import WireError
from hive.wire.messages import Sent
from hive.wire.wake_ups import Wake

_log = logging.getLogger(__name__)

RECONNECT_S = 30.0
"""How long a program waits for a daemon that is away."""

TIMEOUT_S = 10.0
"""For a line that does not come, or an answer that nobody reads."""

MAX_CONNECTIONS = 8
"""Programs that may be connected at once."""

CHECK_S = 15.0
"""How often it is looked whether the socket is still there: the agent may remove it."""


class WakeSocket:
    """Listens in `folder`, which belongs to the agent. That it cannot listen stops no turn."""

    def __init__(self, folder: Path, link: Link) -> None:
        self._path = folder / SOCKET_NAME
        self._link = link
        self._open = 0

    async def run(self, ctx: Context) -> None:
        """One incarnation of the supervised child: binds the socket, and again when it is gone."""
        ctx.ready()
        while True:
            try:
                listener = bind(self._path)
            except OSError as error:
                ctx.note(f"no program can wake the agent: {error}"[:200])
            else:
                ctx.note(None)
                async with listener, trio.open_nursery() as nursery:
                    nursery.start_soon(trio.serve_listeners, self._serve, [listener])
                    await self._wait_until_gone(ctx)
                    nursery.cancel_scope.cancel()
            ctx.tick()
            await trio.sleep(CHECK_S)

    async def _wait_until_gone(self, ctx: Context) -> None:
        mine = self._identity()
        while mine is not None and self._identity() == mine:
            ctx.tick()
            await trio.sleep(CHECK_S)

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = os.lstat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    async def _serve(self, stream: trio.SocketStream) -> None:
        if self._open >= MAX_CONNECTIONS:
            _log.warning(
                "over %d programs want to wake the agent at once: one refused", MAX_CONNECTIONS
            )
            return
        self._open += 1
        try:
            line = None
            with trio.move_on_after(TIMEOUT_S):
                line = await _read_line(stream)
            answer = await self._answer(line) if line is not None else _error("no line came")
            with trio.move_on_after(TIMEOUT_S):
                await stream.send_all(json.dumps(answer).encode() + b"\n")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # it has gone; what it sent is sent
        except Exception:
            _log.exception("a wake-up failed")
        finally:
            self._open -= 1

    async def _answer(self, line: bytes) -> Json:
        wake = _parse(line)
        if wake is None:
            return _error('say {"from": "LABEL", "text": "TEXT"} on one line')
        try:
            sent = await self._link.request(wake, timeout=RECONNECT_S, total_timeout=RECONNECT_S)
        except NotConnected:
            return _error(
                f"the hive did not answer within {RECONNECT_S:g} s: the message may or may not "
                "have been sent"
            )
        except (RemoteError, WireError) as error:
            return _error(str(error))
        return {"message": sent.id} if isinstance(sent, Sent) else _error("no sense in the answer")


async def _read_line(stream: trio.SocketStream) -> bytes | None:
    """What comes before the first line break; None if too much comes before it, or none."""
    data = b""
    while b"\n" not in data:
        chunk = await stream.receive_some()
        data += chunk
        if not chunk or len(data) > MOST_BYTES:
            return None
    return data.partition(b"\n")[0]


def _parse(line: bytes) -> Wake | None:
    try:
        given = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(given, dict):
        return None
    label, text = as_text(given.get("from")), as_text(given.get("text"))
    if label is None or text is None:
        return None
    return Wake(label, text, key=uuid.uuid4().hex)


def _error(why: str) -> Json:
    return {"error": why}
