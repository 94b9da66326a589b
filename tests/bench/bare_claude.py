"""The real CLI driven directly: one persistent process, its stream-json, no hive around it."""

import json
import os
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import define, field, frozen

from harness.cli.arguments import CliSetup, argv, environment
from harness.cli.lines import LineSplitter
from harness.cli.session import CliSession
from harness.tools import guide, mcp
from harness.turns.prompts import system_prompt
from hive.paths import AgentFolders

TURN_S = 60.0


@frozen
class Timing:
    """Seconds from the message's line to the result's, and to the line that says it is idle."""

    result: float
    idle: float


@define(eq=False)
class BareClaude:
    """A running process; `turn` runs one turn."""

    process: trio.Process
    _news: trio.MemoryReceiveChannel[tuple[dict[str, Any], float]] = field(init=False)

    async def turn(self, text: str) -> Timing:
        """Write a message and read until the CLI is idle again."""
        began = time.monotonic()
        message = {"role": "user", "content": text}
        await self._write({"type": "user", "message": message, "uuid": str(uuid.uuid4())})
        result = 0.0
        with trio.fail_after(TURN_S):
            while True:
                line, when = await self._news.receive()
                if line["type"] == "result":
                    assert line["is_error"] is False, line
                    result = when - began
                elif line.get("subtype") == "session_state_changed" and line["state"] == "idle":
                    return Timing(result, when - began)

    async def _serve(self, prompt: str, task_status: trio.TaskStatus[None]) -> None:
        """Initialise with the hive's tools, as the harness does, then read for ever."""
        send, self._news = trio.open_memory_channel[tuple[dict[str, Any], float]](1000)
        request = {
            "subtype": "initialize",
            "sdkMcpServers": ["hive"],
            "appendSystemPrompt": prompt,
        }
        await self._write({"type": "control_request", "request_id": "i", "request": request})
        lines = LineSplitter()
        assert self.process.stdout is not None
        while data := await self.process.stdout.receive_some():
            now = time.monotonic()
            for raw in lines.feed(data):
                line = json.loads(raw or b"{}")
                if line["type"] == "control_request":
                    await self._answer(line)
                elif line["type"] == "control_response":
                    task_status.started()
                else:
                    send.send_nowait((line, now))

    async def _answer(self, line: dict[str, Any]) -> None:
        answer = mcp.parse_request(line["request"]["message"])
        response = {
            "subtype": "success",
            "request_id": line["request_id"],
            "response": {"mcp_response": answer},
        }
        await self._write({"type": "control_response", "response": response})

    async def _write(self, line: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send_all(json.dumps(line).encode() + b"\n")


@asynccontextmanager
async def bare_claude(
    binary: Path, folder: Path, credentials: Mapping[str, str]
) -> AsyncIterator[BareClaude]:
    """Start the CLI with the harness's own arguments and environment, ready for a turn."""
    folders = AgentFolders(folder)
    for path in (folders.state, folders.claude):
        path.mkdir(parents=True)
    given = tuple(credentials.items())
    variables = environment(folders, given, root=os.geteuid() == 0, container=None)
    setup = CliSetup(str(binary), None, (), variables)
    prompt = system_prompt("bare", (), state=str(folders.state), tools=guide(16384))
    async with trio.open_nursery() as nursery:
        process = await trio.lowlevel.open_process(
            argv(setup, CliSession(str(uuid.uuid4()), known=False)),
            stdin=-1,
            stdout=-1,
            cwd=folders.state,
            env=dict(variables),
        )
        try:
            claude = BareClaude(process)
            await nursery.start(claude._serve, prompt)
            yield claude
        finally:
            process.kill()
            with trio.move_on_after(5, shield=True):
                await process.wait()
            nursery.cancel_scope.cancel()
