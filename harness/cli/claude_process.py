"""One `claude` process: its pipes, its control channel and its end.

It is kept between turns (a turn then costs 30 ms and not 600). Its end is the end of all that it
has started: its process group, and every process that left that group.
"""

import json
import logging
import os
import signal
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import trio

from harness.cli.lines import LineSplitter, Tail
from harness.cli.outcome import ProcessEnd
from harness.cli.parser import parse_line
from harness.cli.stream_events import (
    ControlCancelled,
    ControlRequest,
    ControlResponse,
    Garbage,
    Init,
    StreamEvent,
)
from harness.cli.subreaper import Subreaper
from harness.tools import SERVER, ToolServer
from hive.actors import Slot
from hive.uncontended import acquire

_log = logging.getLogger(__name__)

INITIALISE_S = 60.0
"""How long the CLI may take until it is ready for a prompt."""

_WRITE_S = 10.0
_READ_BYTES = 65536
_PIPES_S = 1.0
"""A process that left claude's group may hold its pipes: do not wait for their end for longer."""
_LEFTOVERS_S = 5.0
_EVENTS = 256

_STEPS: tuple[tuple[signal.Signals | None, float], ...] = (
    (None, 2.0),  # stdin closed: an idle process ends within 50 ms
    (signal.SIGINT, 2.0),
    (signal.SIGTERM, 2.0),
    (signal.SIGKILL, 2.0),
)
STOP_S = sum(wait for _, wait in _STEPS) + _PIPES_S + _LEFTOVERS_S + 1.0
"""How long `stop` takes at most."""


class CliStartFailed(Exception):
    """The process ended, or did not answer, before it took a prompt."""


class ProcessGone(Exception):
    """The process is no more; `ClaudeProcess.end` says how it ended."""


class ClaudeProcess:
    """A process that `run` starts and keeps; the other methods talk to it."""

    def __init__(self, tools: ToolServer, subreaper: Subreaper) -> None:
        self.model: str | None = None
        self.gone = trio.Event()
        self.end: ProcessEnd | None = None
        """Set together with `gone`."""
        self._tools = tools
        self._subreaper = subreaper
        self._process: trio.Process | None = None
        self._writing = trio.Lock()
        self._stderr = Tail()
        self._pending: dict[str, Slot[str | None]] = {}
        self._turn: trio.MemorySendChannel[StreamEvent] | None = None

    async def run(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        cwd: Path,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Start the process and stay until it and all that it left behind have ended.

        Cancelling this ends the process by the steps of `stop`. Raises CliStartFailed if it cannot
        be started at all.
        """
        try:
            self._process = await self._subreaper.start(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=cwd,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            self.end = ProcessEnd(None, str(error))
            self.gone.set()
            raise CliStartFailed(f"{argv[0]} cannot be started: {error}") from None
        try:
            task_status.started()
            await self._serve(self._process)
        finally:
            with trio.move_on_after(STOP_S, shield=True):
                await self._clean_up(self._process)
            self._publish_end(self._process)

    def events(self) -> trio.MemoryReceiveChannel[StreamEvent]:
        """A channel of the events from now on, for one turn; it ends with the process."""
        self._turn, receive = trio.open_memory_channel[StreamEvent](_EVENTS)
        if self.gone.is_set():
            self._turn.close()
        return receive

    async def initialise(self, system_prompt: str) -> None:
        """Make the CLI ready and offer it the hive's tools.

        Raises CliStartFailed when it ends, refuses, or does not answer in INITIALISE_S.
        """
        request = {
            "subtype": "initialize",
            "sdkMcpServers": [SERVER],
            "appendSystemPrompt": system_prompt,
        }
        try:
            error = await self._control(request, INITIALISE_S)
        except ProcessGone:
            raise CliStartFailed("claude ended at once") from None
        except trio.TooSlowError:
            raise CliStartFailed(f"claude did not answer within {INITIALISE_S:g} s") from None
        if error is not None:
            raise CliStartFailed(f"claude refused to initialise: {error}")

    async def prompt(self, text: str, prompt_id: str, cost: str) -> None:
        """Begin a turn; `prompt_id` is a uuid that comes back in the stream. Raises ProcessGone.

        `cost` is a request as of `ask_cost`: what the session had cost before the turn.
        """
        message = {"role": "user", "content": text}
        prompt = {"type": "user", "message": message, "uuid": prompt_id}
        # In one write: the CLI answers the question before it has asked its API anything.
        await self._write(prompt, _cost_question(cost))

    async def interrupt(self) -> None:
        """Ask the CLI to interrupt its turn, which then ends with a result.

        Raises ProcessGone, and TooSlowError when the CLI does not answer.
        """
        await self._control({"subtype": "interrupt"}, _WRITE_S)

    async def ask_cost(self, request: str) -> None:
        """Ask what the session has cost: the stream answers with a `Cost` of this `request` id."""
        try:
            await self._write(_cost_question(request))
        except ProcessGone:
            pass  # whoever drives the turn finds out by himself, and reads what it said last

    async def stop(self) -> None:
        """End the process by closing its stdin, SIGINT, SIGTERM, SIGKILL; then all it has left."""
        if self._process is not None:
            await self._terminate(self._process)
            await self.gone.wait()

    # --- inside ---------------------------------------------------------------------------------

    async def _serve(self, process: trio.Process) -> None:
        async with trio.open_nursery() as nursery:
            read = trio.Event()
            nursery.start_soon(self._read_stdout, process, read)
            nursery.start_soon(self._read_stderr, process)
            await process.wait()
            with trio.move_on_after(_PIPES_S):
                await read.wait()
            nursery.cancel_scope.cancel()

    async def _read_stdout(self, process: trio.Process, read: trio.Event) -> None:
        assert process.stdout is not None
        lines = LineSplitter()
        while data := await process.stdout.receive_some(_READ_BYTES):
            for line in lines.feed(data):
                events = parse_line(line) if line is not None else (Garbage("a line too long"),)
                for event in events:
                    await self._dispatch(event)
        read.set()

    async def _read_stderr(self, process: trio.Process) -> None:
        assert process.stderr is not None
        while data := await process.stderr.receive_some(_READ_BYTES):
            self._stderr.feed(data)

    async def _dispatch(self, event: StreamEvent) -> None:
        match event:
            case ControlRequest(subtype="mcp_message", server=server) if server == SERVER:
                await self._tools.submit(event.request, event.message, self._answer)
            case ControlRequest():
                await self._refuse(event)
            case ControlCancelled():
                self._tools.cancel(event.request)
            case ControlResponse():
                if slot := self._pending.get(event.request):
                    slot.settle(event.error)
            case Init():
                self.model = event.model
        if self._turn is not None:
            try:
                await self._turn.send(event)
            except trio.BrokenResourceError:
                self._turn = None  # that turn is over; nobody listens until the next one

    async def _answer(self, request: str, answer: dict[str, Any]) -> None:
        try:
            await self._respond(request, {"response": {"mcp_response": answer}})
        except ProcessGone:
            pass  # whoever drives the turn finds out by himself

    async def _refuse(self, asked: ControlRequest) -> None:
        try:
            await self._respond(asked.request, None, f"{asked.subtype!r} is not supported here")
        except ProcessGone:
            pass

    async def _respond(
        self, request: str, answer: dict[str, Any] | None, error: str | None = None
    ) -> None:
        response: dict[str, Any] = {"request_id": request}
        if error is None:
            response |= {"subtype": "success", **(answer or {})}
        else:
            response |= {"subtype": "error", "error": error}
        await self._write({"type": "control_response", "response": response})

    async def _control(self, request: dict[str, Any], timeout: float) -> str | None:
        """Send a control request; the error of its answer, None if it was granted.

        Raises ProcessGone, and TooSlowError when there is no answer in time.
        """
        request_id = uuid.uuid4().hex
        slot = self._pending[request_id] = Slot[str | None]()
        try:
            with trio.fail_after(timeout):
                line = {"type": "control_request", "request_id": request_id, "request": request}
                await self._write(line)
                error = await slot.wait()
        finally:
            del self._pending[request_id]
        if self.end is not None:
            raise ProcessGone
        return error

    async def _write(self, *lines: dict[str, Any]) -> None:
        """Whole lines or none: half a line would end the CLI at its next input."""
        process = self._process
        if process is None or process.stdin is None or self.gone.is_set():
            raise ProcessGone
        data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        await acquire(self._writing)
        try:
            with trio.CancelScope(deadline=trio.current_time() + _WRITE_S, shield=True) as scope:
                await _send_all(process.stdin, data)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            raise ProcessGone from None
        finally:
            self._writing.release()
        if scope.cancelled_caught:
            _log.warning("claude (pid %d) does not read its input: killed", process.pid)
            self._signal(process, signal.SIGKILL)
            raise ProcessGone

    async def _terminate(self, process: trio.Process) -> None:
        assert process.stdin is not None
        await process.stdin.aclose()
        for number, wait in _STEPS:
            if process.returncode is not None:
                return
            if number is not None:
                self._signal(process, number)
            with trio.move_on_after(wait):
                await process.wait()

    def _signal(self, process: trio.Process, number: signal.Signals) -> None:
        """To the whole group, whose id cannot be reused while its leader is not reaped."""
        if process.poll() is None:
            try:
                os.killpg(process.pid, number)
            except (ProcessLookupError, PermissionError):
                pass

    async def _clean_up(self, process: trio.Process) -> None:
        await self._terminate(process)
        left = await self._subreaper.kill_all(_LEFTOVERS_S)
        if left:
            _log.error("%d processes that claude left behind cannot be killed", left)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                await stream.aclose()

    def _publish_end(self, process: trio.Process) -> None:
        self.end = ProcessEnd(process.returncode, str(self._stderr))
        if process.returncode is not None:
            self._subreaper.forget(process.pid)
        for slot in self._pending.values():
            slot.settle(None)
        if self._turn is not None:
            self._turn.close()
        self.gone.set()


async def _send_all(pipe: trio.abc.SendStream, data: bytes) -> None:
    """Send it; what goes at once, which is nearly always all, takes no turn of the scheduler."""
    try:
        sent = os.write(cast(trio.lowlevel.FdStream, pipe).fileno(), data)
    except BlockingIOError:
        sent = 0
    if sent < len(data):
        await pipe.send_all(data[sent:])


def _cost_question(request: str) -> dict[str, Any]:
    # Without the options it reads all transcripts, and an interrupt would have to wait.
    cost = {"subtype": "get_usage", "skip_behaviors": True, "detached": True}
    return {"type": "control_request", "request_id": request, "request": cost}
