"""`python -m hive.demo` as a child process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

START = [sys.executable, "-m", "hive.demo"]


@asynccontextmanager
async def started(*arguments: str) -> AsyncIterator[tuple[trio.Process, dict[str, object]]]:
    """The process and the line it printed."""
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(
            partial(
                trio.run_process,
                [*START, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                check=False,
            )
        )
        assert process.stdout is not None
        with trio.fail_after(10):
            line = b""
            while not line.endswith(b"\n"):
                data = await process.stdout.receive_some()
                assert data, "ended before it listened"
                line += data
            yield process, json.loads(line)
        nursery.cancel_scope.cancel()


async def test_it_says_where_it_listens_and_ends_with_its_parent(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    async with started("--port-file", str(port_file)) as (process, said):
        assert json.loads(port_file.read_text()) == said
        assert said["url"] == f"http://127.0.0.1:{said['port']}"
        stream = await trio.open_tcp_stream("127.0.0.1", int(str(said["port"])))
        await stream.aclose()
        assert process.stdin is not None
        await process.stdin.aclose()
        assert await process.wait() == 0


async def test_it_answers_its_parent() -> None:
    async with started() as (process, _):
        assert process.stdin is not None and process.stdout is not None
        for _ in range(3):
            await process.stdin.send_all(b"\n")
            assert await process.stdout.receive_some() == b"\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_on_signals_though_a_request_stalls(number: signal.Signals) -> None:
    rule = b'{"rules": [{"reply": {"type": "stall", "at": "stream"}}]}'
    ask = b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": "x"}]}'
    async with (
        started("--control") as (process, said),
        await trio.open_tcp_stream("127.0.0.1", int(str(said["port"]))) as stream,
    ):
        for path, body in ((b"/control/rules", rule), (b"/v1/messages", ask)):
            head = b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
            await stream.send_all(head % (path, len(body)) + body)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
        process.send_signal(number)
        assert await process.wait() == 0


async def test_a_taken_port_is_an_error_in_one_line() -> None:
    reader, writer = os.pipe()
    try:
        async with started() as (_, said):
            second = await trio.run_process(
                [*START, "--port", str(said["port"])],
                stdin=reader,
                check=False,
                capture_stderr=True,
            )
    finally:
        os.close(reader)
        os.close(writer)
    assert second.returncode == 1
    assert second.stderr.startswith(b"hive.demo: ")
    assert second.stderr.count(b"\n") == 1
