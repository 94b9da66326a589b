"""Requests, replies and pushes over a channel, the same on both sides.

A `Session` is what one side does with what the other says, a `Peer` is that other side.
"""

import logging
from typing import Any, get_args

import trio
from attrs import define, field

from hive.link.channel import Channel
from hive.link.decoding import Unreadable, decode_received, failure
from hive.link.errors import LinkClosed, LinkError, RemoteError, Violation
from hive.link.limits import LinkLimits
from hive.wire.bodies import Body
from hive.wire.bounds import MAX_FRAME
from hive.wire.codec import PROTOCOL, WireError, encode_frame
from hive.wire.frames import Failure, Frame, Hello, Push, Reply, Request, Welcome

_log = logging.getLogger(__name__)

_NORMAL, _POLICY, _INTERNAL = 1000, 1008, 1011  # close codes of RFC 6455


class Session:
    """What one side of a link does with what the other says. Override what you need.

    As it is, a session allows nothing. `requests` and `pushes` are the wire classes (a class or a
    union) that the peer may send, `welcome` what the side that listens says first.
    """

    welcome: Welcome = Welcome(PROTOCOL)
    requests: Any = None
    pushes: Any = None

    async def handle(self, peer: "Peer", body: Body) -> Body:
        """Answer one request; others are handled at the same time.

        Raise LinkError(code, message) to fail it. Any other exception is logged and answered with
        the code `internal`. Cancelled when the link closes.
        """
        raise LinkError("not_allowed", "nothing can be asked here")

    def pushed(self, peer: "Peer", body: Body) -> None:
        """Take one push, in the order they were sent. Must not block: it runs in the reader."""

    async def run(self, peer: "Peer") -> None:
        """Run as long as the link does: cancelled when it closes. An exception closes it."""

    def closed(self, peer: "Peer") -> None:
        """Take note that the link is gone; `peer.reason` says why. Called once."""


@define(eq=False)
class _Slot:
    """Where a reply is awaited."""

    done: trio.Event = field(factory=trio.Event)
    answer: Reply | Failure | None = None

    def settle(self, answer: Reply | Failure | None) -> None:
        self.answer = answer
        self.done.set()


def _classes(allowed: Any) -> tuple[type, ...]:
    if allowed is None:
        return ()
    return get_args(allowed) or (allowed,)


class Peer:
    """The other side of a link.

    `hello` is what it said first, None on the side that connects. `closed` is set when the link is
    gone, and `reason` says why then.
    """

    def __init__(
        self, channel: Channel, session: Session, limits: LinkLimits, hello: Hello | None = None
    ) -> None:
        self.hello = hello
        self.closed = trio.Event()
        self.reason: str | None = None
        self._channel = channel
        self._session = session
        self._limits = limits
        self._requests = _classes(session.requests)
        self._pushes = _classes(session.pushes)
        self._slots: dict[int, _Slot] = {}
        self._next = 0
        self._working = 0

    async def request(self, body: Body, *, timeout: float) -> Body:
        """Send a request and wait at most `timeout` seconds for the answer.

        Raises RemoteError when the other side fails it; LinkClosed when the link is gone, and
        trio.TooSlowError after `timeout`, both of which leave open whether it was done; and
        WireError when it cannot be sent. An answer that comes later is dropped.
        """
        id_ = self._next
        self._next += 1
        data = _encode(Request(id_, body))
        slot = self._slots[id_] = _Slot()
        try:
            with trio.fail_after(timeout):
                await self._send(data)
                await slot.done.wait()
        finally:
            del self._slots[id_]
        if isinstance(slot.answer, Reply):
            return slot.answer.body
        if isinstance(slot.answer, Failure):
            raise RemoteError(slot.answer.code, slot.answer.message)
        raise self._gone()

    async def push(self, body: Body) -> None:
        """Send a message without an answer; waits while the peer reads too slowly.

        Raises LinkClosed when the link is gone, and WireError when it cannot be sent.
        """
        await self._send(_encode(Push(body)))

    async def ping(self) -> None:
        """Wait until the other side's process has answered a ping. Raises LinkClosed."""
        await self._channel.ping()

    async def close(self, why: str = "closed") -> None:
        """End the link and tell the other side why; takes `LinkLimits.close` seconds at most."""
        self.reason = self.reason or why
        await self._channel.close(_NORMAL, why)

    async def run(self, welcome: Welcome | None = None) -> None:
        """Say `welcome` unless None, then serve the link until it is closed.

        It is the only reader of the channel.
        """
        try:
            if welcome is not None:
                await self._channel.send(_encode(welcome))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._heartbeat, name="link heartbeat")
                nursery.start_soon(self._run_session, name="link session")
                await self._read(nursery)
                await self._channel.close(_NORMAL, "closed")  # or wait until who closes is done
                nursery.cancel_scope.cancel()
        except BaseException:  # cancelled, maybe in a group
            self.reason = self.reason or "ended on this side"
            raise
        finally:
            self._end()

    def _end(self) -> None:
        self.reason = self.reason or str(self._channel.closed())
        self.closed.set()
        for slot in self._slots.values():
            slot.settle(None)
        try:
            self._session.closed(self)
        except Exception:
            _log.exception("a session failed at its end")

    def _gone(self) -> LinkClosed:
        return LinkClosed(self.reason or "the link is closed")

    async def _send(self, data: bytes) -> None:
        if self.closed.is_set():
            raise self._gone()
        await self._channel.send(data)

    async def _read(self, nursery: trio.Nursery) -> None:
        try:
            while True:
                await self._take(decode_received(await self._channel.receive()), nursery)
        except LinkClosed as error:
            self.reason = self.reason or str(error)
        except Violation as error:
            await self._break_off(error)

    async def _break_off(self, error: Violation) -> None:
        self.reason = self.reason or error.message[:200]
        await refuse(self._channel, error.code, error.message)

    async def _take(self, frame: Frame | Unreadable, nursery: trio.Nursery) -> None:
        match frame:
            case Request():
                await self._admit(frame, nursery)
            case Reply() | Failure():
                self._settle(frame)
            case Push():
                await self._pushed(frame.body)
            case Unreadable():
                await self._unreadable(frame)
            case Hello() | Welcome():
                await self._refuse(None, "bad_frame", "a second hello: the link is open already")

    async def _admit(self, request: Request, nursery: trio.Nursery) -> None:
        if not isinstance(request.body, self._requests):
            await self._refuse(
                request.id, "not_allowed", f"{type(request.body).__name__} cannot be asked here"
            )
        elif self._working >= self._limits.handlers:
            await self._refuse(
                request.id, "busy", f"{self._working} requests are in work: wait for an answer"
            )
        else:
            self._working += 1
            nursery.start_soon(self._work, request, name="link handler")

    async def _work(self, request: Request) -> None:
        try:
            answer = await self._answer(request)
            await self._channel.send(answer)
        except LinkClosed:
            pass  # the reader finds out too and ends the link
        finally:
            self._working -= 1

    async def _answer(self, request: Request) -> bytes:
        try:
            return _encode(Reply(request.id, await self._session.handle(self, request.body)))
        except LinkError as error:
            return _encode(failure(request.id, error.code, error.message))
        except WireError as error:
            _log.exception("the answer to %s cannot be sent", type(request.body).__name__)
            return _encode(failure(request.id, "bad_answer", str(error)))
        except Exception:
            _log.exception("%s failed", type(request.body).__name__)
            return _encode(failure(request.id, "internal", "it failed inside: see the log"))

    def _settle(self, answer: Reply | Failure) -> None:
        slot = self._slots.get(answer.id) if answer.id is not None else None
        if slot is not None:
            slot.settle(answer)
        elif isinstance(answer, Failure) and answer.id is None:
            _log.warning("the peer complains: %r (%r)", answer.message, answer.code)
        # else an answer after its deadline: nobody waits for it any more

    async def _pushed(self, body: Body) -> None:
        if not isinstance(body, self._pushes):
            await self._refuse(None, "not_allowed", f"{type(body).__name__} cannot be pushed here")
            return
        try:
            self._session.pushed(self, body)
        except Exception:
            _log.exception("taking a pushed %s failed", type(body).__name__)

    async def _unreadable(self, frame: Unreadable) -> None:
        _log.warning("an unreadable frame: %r", frame.error)
        if frame.answer is not None:
            await self._channel.send_now(_encode(frame.answer))
        if frame.settles is not None:
            self._settle(Failure(frame.settles, "bad_answer", frame.error))

    async def _refuse(self, id_: int | None, code: str, message: str) -> None:
        await self._channel.send_now(_encode(failure(id_, code, message)))

    async def _run_session(self) -> None:
        try:
            await self._session.run(self)
        except LinkClosed:
            pass
        except Exception:
            _log.exception("a link's session failed")
            self.reason = self.reason or "the session failed: see the log"
            await self._channel.close(_INTERNAL, self.reason)

    async def _heartbeat(self) -> None:
        try:
            while True:
                await trio.sleep(self._limits.ping_every)
                with trio.fail_after(self._limits.ping_deadline):
                    await self._channel.ping()
        except LinkClosed:
            pass
        except trio.TooSlowError:
            self.reason = f"no answer to a ping for {self._limits.ping_deadline:g} s"
            await self._channel.close(_POLICY, self.reason)


async def refuse(channel: Channel, code: str, message: str) -> None:
    """Send a failure without an id, and end the connection, as far as the peer still listens."""
    try:
        await channel.send_now(_encode(failure(None, code, message)))
    except LinkClosed:
        return
    await channel.close(_POLICY, f"{code}: {message}")


def _encode(frame: Frame) -> bytes:
    data = encode_frame(frame)
    if len(data) > MAX_FRAME:
        raise WireError(f"a frame of {len(data)} bytes: at most {MAX_FRAME} can be sent at once")
    return data
