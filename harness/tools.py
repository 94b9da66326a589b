"""The hive's tools: answers what the CLI asks of the server `hive`, by way of the daemon.

No tool process and no port: the calls come over claude's control channel and go out over the link.
"""

import json
import uuid
from collections.abc import Awaitable, Callable

import trio
from attrs import frozen

from harness import desk, mcp, reminding, threads
from harness.calls import Call, DeskCall, RecvCall, ReminderCall, SendCall, ThreadCall, WhoAmICall
from harness.link import Link, NoAnswer, NotConnected
from harness.loose import Json
from harness.mcp import Invoke
from harness.prompts import wake
from harness.shared import Shared
from harness.stream import Asked
from hive.link import RemoteError
from hive.supervisors import Context
from hive.uncontended import acquire
from hive.wire import Body, Lease, Message, Recv, Send, Sent, Taken, WireError

SERVER = "hive"

RECONNECT_S = 30.0
"""How long a tool waits for a daemon that is away before it tells the model."""

_AT_ONCE = 16
_LAST_WORD_S = 1.0

Answer = Callable[[str, Json], Awaitable[None]]


class ToolFailed(Exception):
    """The call was not done; the text is for the model."""


@frozen
class _Job:
    asked: Asked
    answer: Answer


class Tools:
    """Performs tool calls beside each other; a crash here costs a call, not a turn."""

    def __init__(self, shared: Shared, link: Link) -> None:
        self._shared = shared
        self._link = link
        self._send, self._receive = trio.open_memory_channel[_Job](_AT_ONCE)
        self._scopes: dict[str, trio.CancelScope] = {}

    async def submit(self, asked: Asked, answer: Answer) -> None:
        """Have `asked` (an `mcp_message`) answered; waits only while very many calls wait."""
        await self._send.send(_Job(asked, answer))

    def withdraw(self, request: str) -> None:
        """Nobody waits for that answer any more."""
        if scope := self._scopes.get(request):
            scope.cancel()

    def end_turn(self) -> None:
        """The turn is over: so are its calls."""
        for scope in self._scopes.values():
            scope.cancel()

    async def run(self, ctx: Context) -> None:
        """One incarnation of the supervised child."""
        limit = trio.Semaphore(_AT_ONCE)
        async with trio.open_nursery() as nursery:
            ctx.ready()
            while True:
                await acquire(limit)  # first: nothing may come between a job and its worker
                job = await self._receive.receive()
                ctx.tick()
                nursery.start_soon(self._work, job, limit)

    async def _work(self, job: _Job, limit: trio.Semaphore) -> None:
        request = job.asked.request
        try:
            with trio.CancelScope() as self._scopes[request]:
                await job.answer(request, await self._respond(job.asked.message))
        except BaseException:  # this call crashes, or another one takes all along: none may hang
            with trio.move_on_after(_LAST_WORD_S, shield=True):
                await job.answer(request, _lost(job.asked.message))
            raise
        finally:
            self._scopes.pop(request, None)
            limit.release()

    async def _respond(self, message: Json) -> Json:
        todo = mcp.read(message)
        if not isinstance(todo, Invoke):
            return todo
        try:
            return mcp.result(todo.id, await self._perform(todo.call))
        except ToolFailed as error:
            return mcp.result(todo.id, str(error), is_error=True)

    async def _perform(self, call: Call) -> str:
        try:
            match call:
                case SendCall():
                    return await self._send_message(call)
                case RecvCall():
                    return await self._take_messages(call)
                case ThreadCall():
                    return threads.told(call, await self._ask_hive(threads.asked(call)))
                case WhoAmICall():
                    return self._who_am_i()
                case _ if isinstance(call, ReminderCall):
                    return reminding.told(await self._ask_hive(reminding.asked(call)))
                case _ if isinstance(call, DeskCall):
                    return desk.told(call, await self._ask_hive(desk.asked(call)))
        except RemoteError as error:
            raise ToolFailed(str(error)) from None
        except WireError as error:
            raise ToolFailed(f"this cannot be sent: {error}") from None

    async def _send_message(self, call: SendCall) -> str:
        cap = self._shared.settings.body_cap if self._shared.settings else None
        size = len(call.body.encode())
        if cap is not None and size > cap:
            raise ToolFailed(
                f"the body has {size} bytes, at most {cap} can be sent: write it to a file and "
                "send its path or a summary"
            )
        # The key makes a repetition after a broken connection the same message.
        key = uuid.uuid4().hex
        send = Send(call.to, call.body, call.in_reply_to, key=key, urgent=call.urgent)
        try:
            sent = await self._link.request(send, timeout=RECONNECT_S, within=RECONNECT_S)
        except NotConnected:
            raise ToolFailed(
                f"the hive did not answer within {RECONNECT_S:g} s: the message may or may not "
                "have been sent. Note it in your state folder, and look before you send it again"
            ) from None
        if not isinstance(sent, Sent):
            raise ToolFailed("the hive gave an answer that makes no sense")
        return json.dumps({"sent": sent.id, "to": call.to})

    async def _ask_hive(self, body: Body) -> Body:
        try:
            return await self._link.request(body, timeout=RECONNECT_S, within=RECONNECT_S)
        except NotConnected:
            raise ToolFailed(
                f"the hive did not answer within {RECONNECT_S:g} s: it may or may not have been "
                "done. Look (loose_ends, list_reminders) before you do it again"
            ) from None

    async def _take_messages(self, call: RecvCall) -> str:
        holding = self._shared.holding
        if holding is None:
            raise ToolFailed("no turn is running, so there is nothing that messages could join")
        wait = float(call.wait_seconds)
        recv = Recv(holding.lease, call.max, wait)
        sure, holding.unsure = holding.unsure, True
        try:
            taken = await self._link.request(
                recv, timeout=wait + 10, within=wait + RECONNECT_S, once=True
            )
        except NoAnswer:
            raise ToolFailed("the hive did not answer: go on without, messages are kept") from None
        except (RemoteError, NotConnected) as error:
            holding.unsure = sure
            raise ToolFailed(f"{error}: go on without, messages are kept") from None
        if not isinstance(taken, Taken):
            raise ToolFailed("the hive gave an answer that makes no sense")
        holding.unsure = sure
        return _joined(holding.messages, taken.lease)

    def _who_am_i(self) -> str:
        settings, holding = self._shared.settings, self._shared.holding
        return json.dumps(
            {
                "name": self._shared.options.name,
                "others": list(settings.peers) if settings else [],
                "operator": "operator",
                "state": str(self._shared.options.folders.state),
                "holding": [message.id for message in holding.messages] if holding else [],
            }
        )


def _lost(message: Json) -> Json:
    """The answer to a call that has crashed."""
    todo = mcp.read(message)
    if not isinstance(todo, Invoke):
        return todo
    text = "the call failed inside the harness: it may or may not have been done; look, then go on"
    return mcp.result(todo.id, text, is_error=True)


def _joined(held: list[Message], lease: Lease | None) -> str:
    """Add to what is held what is new in `lease`, and show it."""
    known = {message.id for message in held}
    new = [message for message in lease.messages if message.id not in known] if lease else []
    held.extend(new)
    if lease is None or not new:
        return "[hive] no message waits"
    return wake(Lease(lease.id, tuple(new), lease.waiting))
