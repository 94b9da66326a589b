"""The MCP server `hive`: performs the tool calls of the CLI, by asking the daemon.

It needs no process and no port: calls come over claude's control channel and go out over the link.
"""

from collections.abc import Awaitable, Callable

import trio
from attrs import frozen

from harness.lenient_json import Json
from harness.link import Link, NoAnswer, NotConnected
from harness.state import HarnessState
from harness.tools import mcp
from harness.tools.base import Tool, ToolFailed
from harness.tools.mcp import ToolInvocation
from hive.link import RemoteError
from hive.supervisors import Context
from hive.uncontended import acquire
from hive.wire.bodies import Body
from hive.wire.codec import WireError
from hive.wire.messages import Message
from hive.wire.turns import Lease, Recv, Taken

SERVER = "hive"
"""The MCP server's name: the model sees its tools as mcp__hive__NAME."""

RECONNECT_S = 30.0
"""How long a tool waits for a daemon that is away before it tells the model."""

_MAX_CALLS = 16
_CRASH_ANSWER_S = 1.0

_MAYBE_DONE = frozenset({"bad_answer", "internal"})
"""Codes of failures that came after the daemon had begun, so that it may have been done."""

SendAnswer = Callable[[str, Json], Awaitable[None]]


@frozen
class _Job:
    request: str
    message: Json
    answer: SendAnswer


class ToolServer:
    """Performs tool calls beside each other; a crash here costs a call, not a turn.

    It is the `ToolContext` of each tool, and knows none of them by name.
    """

    def __init__(self, state: HarnessState, link: Link) -> None:
        self._state = state
        self._link = link
        self._send, self._receive = trio.open_memory_channel[_Job](_MAX_CALLS)
        self._scopes: dict[str, trio.CancelScope] = {}

    async def submit(self, request: str, message: Json, answer: SendAnswer) -> None:
        """Have a JSON-RPC `message` answered: `answer` is called with `request` and the answer.

        `request` is the CLI's own name for what it asks. Waits only while very many calls wait.
        """
        await self._send.send(_Job(request, message, answer))

    def cancel(self, request: str) -> None:
        """End the call of that request, because nobody waits for its answer any more."""
        if scope := self._scopes.get(request):
            scope.cancel()

    def end_turn(self) -> None:
        """End all calls, because their turn is over."""
        for scope in self._scopes.values():
            scope.cancel()

    async def run(self, ctx: Context) -> None:
        """One incarnation of the supervised child: performs the calls beside each other."""
        limit = trio.Semaphore(_MAX_CALLS)
        async with trio.open_nursery() as nursery:
            ctx.ready()
            while True:
                await acquire(limit)  # first: nothing may come between a job and its worker
                job = await self._receive.receive()
                ctx.tick()
                nursery.start_soon(self._work, job, limit)

    async def _work(self, job: _Job, limit: trio.Semaphore) -> None:
        request, message = job.request, job.message
        try:
            with trio.CancelScope() as self._scopes[request]:
                await job.answer(request, await self._respond(message))
        except BaseException:  # this call crashes, or another one takes all along: none may hang
            with trio.move_on_after(_CRASH_ANSWER_S, shield=True):
                await job.answer(request, _crash_answer(message))
            raise
        finally:
            self._scopes.pop(request, None)
            limit.release()

    async def _respond(self, message: Json) -> Json:
        parsed = mcp.parse_request(message)
        if not isinstance(parsed, ToolInvocation):
            return parsed
        try:
            return mcp.result(parsed.id, await self._perform(parsed.call))
        except ToolFailed as error:
            return mcp.result(parsed.id, str(error), is_error=True)

    async def _perform(self, call: Tool) -> str:
        try:
            return await call.perform(self)
        except RemoteError as error:
            raise ToolFailed(str(error)) from None
        except WireError as error:
            raise ToolFailed(f"this cannot be sent: {error}") from None

    # --- what a tool can use: see `ToolContext` ------------------------------------------------

    @property
    def state(self) -> HarnessState:
        return self._state

    async def ask(self, request: Body, unanswered: str) -> Body:
        try:
            return await self._link.request(request, timeout=RECONNECT_S, total_timeout=RECONNECT_S)
        except NotConnected:
            raise ToolFailed(
                f"the hive did not answer within {RECONNECT_S:g} s: {unanswered}"
            ) from None

    async def take(self, wait: float, most: int) -> Lease | None:
        holding = self._state.holding
        if holding is None:
            raise ToolFailed("no turn is running, so there is nothing that messages could join")
        recv = Recv(holding.lease, most, wait)
        holding.unanswered += 1  # for good, unless it is known what came of it
        try:
            taken = await self._link.request(
                recv, timeout=wait + 10, total_timeout=wait + RECONNECT_S, once=True
            )
        except NoAnswer:
            raise ToolFailed("the hive did not answer: go on without, messages are kept") from None
        except (RemoteError, NotConnected, WireError) as error:
            if not (isinstance(error, RemoteError) and error.code in _MAYBE_DONE):
                holding.unanswered -= 1
            raise ToolFailed(f"{error}: go on without, messages are kept") from None
        if not isinstance(taken, Taken):
            raise ToolFailed("the hive gave an answer that makes no sense")
        holding.unanswered -= 1
        return _join(holding.messages, taken.lease)


def _crash_answer(message: Json) -> Json:
    """The answer to a call that has crashed."""
    parsed = mcp.parse_request(message)
    if not isinstance(parsed, ToolInvocation):
        return parsed
    text = "the call failed inside the harness: it may or may not have been done; look, then go on"
    return mcp.result(parsed.id, text, is_error=True)


def _join(held: list[Message], lease: Lease | None) -> Lease | None:
    """Add to what is held what is new in `lease`; the lease of the new ones, None without any."""
    known = {message.id for message in held}
    new = [message for message in lease.messages if message.id not in known] if lease else []
    held.extend(new)
    if lease is None or not new:
        return None
    return Lease(lease.id, tuple(new), lease.waiting)
