"""The scripted API in the test's own process, and the real CLI driven against it."""

import json
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field

from hive.demo import Script, serve

BINARY = next(Path(sys.prefix).glob("lib/python3*/site-packages/claude_agent_sdk/_bundled/claude"))

TOOLS = [
    {
        "name": "send",
        "description": "Send a message.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "to": {"type": "string"},
                "body": {"type": "string"},
                "in_reply_to": {"type": "integer"},
            },
            "required": ["to", "body"],
        },
    }
]


@define
class Api:
    """A running scripted API."""

    script: Script
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    script = Script()
    async with trio.open_nursery() as nursery:
        yield Api(script, await nursery.start(serve, script))
        nursery.cancel_scope.cancel()


@define
class Cli:
    """A persistent `claude` process whose hive tools the test answers."""

    process: trio.Process
    unreachable: frozenset[str]
    sent: list[dict[str, Any]] = field(factory=list)
    lines: list[dict[str, Any]] = field(factory=list)
    _buffer: bytearray = field(factory=bytearray)

    async def write(self, line: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send_all(json.dumps(line).encode() + b"\n")

    async def read(self) -> dict[str, Any]:
        """The next line that is not a tool's request; those are answered on the way."""
        assert self.process.stdout is not None
        await trio.lowlevel.checkpoint()
        while True:
            while (end := self._buffer.find(b"\n")) < 0:
                data = await self.process.stdout.receive_some()
                assert data, "the CLI ended"
                self._buffer += data
            line: dict[str, Any] = json.loads(self._buffer[:end])
            del self._buffer[: end + 1]
            self.lines.append(line)
            if line["type"] != "control_request":
                return line
            answer = self._rpc(line["request"]["message"])
            await self.write(
                {
                    "type": "control_response",
                    "response": {
                        "subtype": "success",
                        "request_id": line["request_id"],
                        "response": {"mcp_response": answer},
                    },
                }
            )

    def _rpc(self, message: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        match message["method"]:
            case "initialize":
                result = {
                    "protocolVersion": message["params"]["protocolVersion"],
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "hive", "version": "1"},
                }
            case "tools/list":
                result = {"tools": TOOLS}
            case "tools/call":
                arguments = message["params"]["arguments"]
                self.sent.append(arguments)
                bad = arguments["to"] in self.unreachable
                text = "no agent of this name" if bad else f"sent as {100 + len(self.sent)}"
                result = {"content": [{"type": "text", "text": text}], "isError": bad}
        return {"jsonrpc": "2.0", "id": message.get("id", 0), "result": result}

    async def turn(self, prompt: str) -> dict[str, Any]:
        """Give `prompt` and return the turn's result line."""
        message = {"role": "user", "content": prompt}
        await self.write({"type": "user", "message": message, "uuid": str(uuid.uuid4())})
        while (line := await self.read())["type"] != "result":
            pass
        return line

    def last(self, kind: str, subtype: str | None = None) -> dict[str, Any]:
        """The last line of this type."""
        return next(
            line
            for line in reversed(self.lines)
            if line["type"] == kind and subtype in (None, line.get("subtype"))
        )

    @property
    def failure(self) -> dict[str, Any]:
        """The synthetic line by which the CLI tells of a failed request."""
        return next(line for line in reversed(self.lines) if line.get("is_api_error_message"))


StartCli = Callable[..., AbstractAsyncContextManager[Cli]]


@pytest.fixture
def claude(api: Api, tmp_path: Path) -> StartCli:
    return partial(_claude, api, tmp_path)


@asynccontextmanager
async def _claude(
    api: Api,
    home: Path,
    *more: str,
    agent: str = "manager",
    others: str = "worker-1",
    oauth: bool = False,
    unreachable: frozenset[str] = frozenset(),
    **environment: str,
) -> AsyncIterator[Cli]:
    credential = "CLAUDE_CODE_OAUTH_TOKEN" if oauth else "ANTHROPIC_API_KEY"
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "CLAUDE_CODE_TMPDIR": str(home),
        credential: "sk-ant-nothing",
        "ANTHROPIC_BASE_URL": api.url,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
        "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
        "CLAUDE_CODE_DISABLE_FILE_MENTIONS": "1",
        "CLAUDE_CODE_MAX_RETRIES": "0",
        "API_TIMEOUT_MS": "10000",
        "ENABLE_TOOL_SEARCH": "false",
    } | environment
    prompt = f"You are {agent}, an agent of this hive.\nOthers in this hive: {others}\n"
    flags = ["--print", "--output-format=stream-json", "--input-format=stream-json", "--verbose"]
    flags += ["--strict-mcp-config", "--setting-sources=", "--disable-slash-commands"]
    flags += ["--permission-mode=dontAsk", "--tools=Bash", "--allowedTools=Bash,mcp__hive"]
    flags += ["--append-system-prompt", prompt, *more]
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(
            partial(
                trio.run_process,
                [str(BINARY), *flags],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                check=False,
                env=env,
                cwd=home,
                start_new_session=True,
            )
        )
        nursery.start_soon(_drain, process)
        cli = Cli(process, unreachable)
        with trio.fail_after(60):
            await cli.write(
                {
                    "type": "control_request",
                    "request_id": "start",
                    "request": {"subtype": "initialize", "sdkMcpServers": ["hive"]},
                }
            )
            yield cli
        process.send_signal(signal.SIGKILL)
        nursery.cancel_scope.cancel()


async def _drain(process: trio.Process) -> None:
    assert process.stderr is not None
    async for _ in process.stderr:
        pass
