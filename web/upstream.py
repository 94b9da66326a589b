"""The one link to the daemon: follows its events for all browsers and passes their requests on."""

import logging
import uuid
from pathlib import Path
from typing import NoReturn, TypeVar

import trio
from attrs import evolve

from hive.link import LinkClosed, Peer, RemoteError, Session
from hive.link.reconnect import RECONNECT, keep_connected
from hive.wire.bodies import Body
from hive.wire.codec import PROTOCOL
from hive.wire.daemon import GetStatus, Status
from hive.wire.events import EventBatch, Events, Follow, GetEvents, Resync
from hive.wire.frames import Hello, Welcome
from hive.wire.messages import OperatorSend, Sent
from hive.wire.turns import Text, ToolCall, ToolResult
from web.state import PageState

TIMEOUT = 5.0
"""Seconds for an answer of the daemon; it is a local process."""

STATUS_GAP = 0.25
"""Least seconds between two questions for the status."""

STATUS_EVERY = 2.0
"""Seconds after which a watched status is asked for although no event came."""

HISTORY_GAP = 0.25
"""Seconds without an event after which the history is taken to have ended early."""

_STREAM = (Text, ToolCall, ToolResult)
"""Events that come in floods and change nothing in the status."""

_T = TypeVar("_T")

_log = logging.getLogger("hive.web")


class DaemonAway(Exception):
    """The daemon cannot be asked now; the text says why."""


class Unanswered(DaemonAway):
    """The daemon was asked, and no answer came: it may have done what it was asked."""


class Upstream(Session):
    """Keeps the link to the daemon and fills `state` from it, while `follow` runs."""

    pushes = EventBatch | Resync

    def __init__(self, path: Path, state: PageState) -> None:
        self._path = path
        self._state = state
        self._hello = Hello(PROTOCOL, "web", uuid.uuid4().hex)
        self._peer: Peer | None = None
        self._stale = trio.Event()
        self._lagged = trio.Event()

    async def follow(self) -> NoReturn:
        """Follow the daemon, whenever there is one; ends only when it is cancelled."""
        await keep_connected(
            self._path,
            lambda: self._hello,
            self._use,
            self,
            backoff=evolve(RECONNECT, max=2.0, healthy_after=2.0),
            failed=self._failed,
        )

    async def status(self) -> Status:
        """Ask for the hive's status, which viewers are shown as well.

        Raises DaemonAway, and RemoteError when the daemon refuses.
        """
        status = await self._ask(GetStatus(), Status)
        self._state.set_status(status)
        return status

    async def send(self, message: OperatorSend) -> int:
        """Send a message as the operator; returns its id, once it is committed.

        Raises DaemonAway, which says whether it may be stored, and RemoteError when the daemon
        refuses.
        """
        try:
            return (await self._ask(message, Sent)).id
        except Unanswered as error:
            again = "stores it once" if message.key is not None else "may store it twice"
            raise DaemonAway(f"{error}; it may be stored, sending it again {again}") from None

    async def events(self, query: GetEvents) -> Events:
        """Ask for events older than those of `state`, or of one agent.

        Raises DaemonAway, and RemoteError when the daemon refuses.
        """
        return await self._ask(query, Events)

    def pushed(self, peer: Peer, body: Body) -> None:
        match body:
            case EventBatch():
                self._state.add(body)
                if any(not isinstance(live.event, _STREAM) for live in body.events):
                    self._stale.set()
            case Resync():
                self._lagged.set()

    async def _ask(self, body: Body, expected: type[_T]) -> _T:
        if self._peer is None:
            raise DaemonAway(self._state.away or "connecting")
        try:
            answer = await self._peer.request(body, timeout=TIMEOUT)
        except LinkClosed as error:
            raise Unanswered(f"the daemon left before it answered: {error}") from None
        except trio.TooSlowError:
            raise Unanswered(f"the daemon did not answer within {TIMEOUT:g} s") from None
        if not isinstance(answer, expected):
            raise RemoteError("bad_answer", f"expected {expected.__name__}, got {answer!r:.100}")
        return answer

    def _failed(self, error: Exception) -> None:
        slow = isinstance(error, trio.TooSlowError)
        why = "it does not answer" if slow else str(error) or type(error).__name__
        if why != self._state.away:
            _log.warning("no daemon at %s: %s", self._path, why)
        self._state.lose(why)

    async def _use(self, peer: Peer, _: Welcome) -> None:
        self._peer, self._stale, self._lagged = peer, trio.Event(), trio.Event()
        self._state.forget()
        try:
            status = await self.status()
            await peer.request(Follow(), timeout=TIMEOUT)
            await self._catch_up(status.seq)
            self._state.arrive()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._poll, peer)
                nursery.start_soon(self._leave_when_lagged, peer)
                await peer.closed.wait()
                nursery.cancel_scope.cancel()
            self._failed(LinkClosed(peer.reason))
        except (DaemonAway, RemoteError, trio.TooSlowError) as error:
            self._failed(error)
        finally:
            self._peer = None

    async def _catch_up(self, seq: int) -> None:
        """Wait for the history up to `seq`, of which the newest may be lost for good."""
        with trio.move_on_after(TIMEOUT):
            while (before := self._state.events.last) < seq:
                with trio.move_on_after(HISTORY_GAP) as gap:
                    while self._state.events.last == before:
                        await self._state.changed.wait()
                if gap.cancelled_caught:
                    return

    async def _leave_when_lagged(self, peer: Peer) -> None:
        """Events were lost on the way to us: a new link begins with the whole history."""
        await self._lagged.wait()
        await peer.close("lagged behind the events")

    async def _poll(self, peer: Peer) -> None:
        while True:
            await self._state.wait_viewers(some=True)
            self._stale = trio.Event()
            try:
                await self.status()
            except RemoteError as error:
                _log.warning("no status: %s", error)
            except DaemonAway as error:
                await peer.close(str(error))
                return
            await trio.sleep(STATUS_GAP)
            with trio.move_on_after(STATUS_EVERY - STATUS_GAP):
                await self._stale.wait()
