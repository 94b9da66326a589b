"""`hive-harness wake` and the socket that it speaks with."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import trio
import trio.testing

from harness import wake_socket
from harness.link import NotConnected
from harness.wake_socket import WakeSocket
from hive.link import RemoteError
from hive.supervisors import Context
from hive.wire.messages import Sent
from hive.wire.wake_ups import Wake

ROOT = Path(__file__).parents[2]


class FakeLink:
    """Answers by the next of `answers`; an exception is raised."""

    def __init__(self) -> None:
        self.answers: list = []
        self.asked: list = []

    async def request(self, body, *, timeout, total_timeout, once=False):
        await trio.lowlevel.checkpoint()
        self.asked.append(body)
        answer = self.answers.pop(0) if self.answers else Sent(7)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Bench:
    def __init__(self, folder: Path, nursery: trio.Nursery) -> None:
        self.path = folder / "wake.sock"
        self.link = FakeLink()
        self.ctx = Context("harness/door")
        nursery.start_soon(WakeSocket(folder, self.link).run, self.ctx)  # type: ignore[arg-type]

    async def there(self) -> None:
        with trio.fail_after(5):
            while not self.path.is_socket():
                await trio.testing.wait_all_tasks_blocked(0.01)

    async def wake(self, *arguments: str, stdin: bytes = b"", **environment: str):
        await self.there()
        argv = [sys.executable, "-m", "harness", "wake", *arguments]
        known = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)}
        with trio.fail_after(20):
            return await trio.run_process(
                argv,
                stdin=stdin,
                env={**known, "HIVE_WAKE": str(self.path), **environment},
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )

    async def say(self, data: bytes) -> dict:
        await self.there()
        stream = await trio.open_unix_socket(self.path)
        async with stream:
            try:
                await stream.send_all(data)
                await stream.send_eof()
                answer = b""
                with trio.fail_after(5):
                    async for chunk in stream:
                        answer += chunk
            except trio.BrokenResourceError:
                return {}
        return json.loads(answer)


@pytest.fixture
async def bench(tmp_path):
    folder = tmp_path / ("long-" * 30)  # longer than the kernel takes for a socket
    folder.mkdir()
    async with trio.open_nursery() as nursery:
        short = tmp_path / "f"
        short.symlink_to(folder)
        yield Bench(short, nursery)
        nursery.cancel_scope.cancel()


async def test_a_program_wakes_its_agent(bench):
    done = await bench.wake("--from", "cron job", "it is\ntime")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"7\n", b"")
    done = await bench.wake("--from", "make", "-", stdin=b"line 1\nline 2\xff\n")
    assert done.returncode == 0
    first, second = bench.link.asked
    assert (first.label, first.text) == ("cron job", "it is\ntime")
    assert second.text == "line 1\nline 2\ufffd\n"
    assert isinstance(first, Wake) and first.key and first.key != second.key


async def test_what_goes_wrong_is_said(bench):
    bench.link.answers = [RemoteError("too_many", "60 an hour"), NotConnected("away")]
    refused = await bench.wake("--from", "x", "y")
    assert refused.returncode == 1 and b"60 an hour" in refused.stderr
    away = await bench.wake("--from", "x", "y")
    assert away.returncode == 1 and b"may or may not" in away.stderr
    assert (await bench.wake("y")).returncode == 2
    outside = await bench.wake("--from", "x", "y", HIVE_WAKE="")
    assert outside.returncode == 3 and b"inside of an agent's container" in outside.stderr
    nobody = await bench.wake("--from", "x", "y", HIVE_WAKE="/nowhere/wake.sock")
    assert nobody.returncode == 3 and b"does not answer" in nobody.stderr
    too_long = await bench.wake("--from", "x", "-", stdin=b"x" * (1 << 20))
    assert too_long.returncode == 1 and b"too long" in too_long.stderr


def test_waking_needs_nothing_but_the_standard_library():
    program = "import harness.__main__, sys; print('trio' in sys.modules, 'attrs' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "False False\n", done.stderr


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"no json\n",
        b"[]\n",
        b'{"from": 1, "text": "x"}\n',
        b'{"text": "x"}\n',
        b"[" * 100_000 + b"\n",
        b'{"from": "x", "text": "no end',
        b"\xff\xfe\n",
    ],
)
async def test_nonsense_is_answered_and_harms_nobody(bench, data):
    assert "error" in await bench.say(data)
    assert await bench.say(b'{"from": "a", "text": "b\\ud800", "more": 1}\n') == {"message": 7}
    assert [one.text for one in bench.link.asked] == ["b?"]


async def test_a_flood_is_refused_beyond_its_bounds(bench, monkeypatch):
    await bench.say(b"x" * (1 << 20))
    silent = [await trio.open_unix_socket(bench.path) for _ in range(wake_socket.MAX_CONNECTIONS)]
    await trio.testing.wait_all_tasks_blocked(0.05)
    assert await bench.wake("--from", "x", "y") is not None
    assert bench.link.asked == []
    for stream in silent:
        await stream.aclose()
    await trio.testing.wait_all_tasks_blocked(0.05)
    assert (await bench.wake("--from", "x", "y")).returncode == 0


async def test_a_socket_that_the_agent_removed_comes_back(bench, monkeypatch):
    monkeypatch.setattr(wake_socket, "CHECK_S", 0.05)
    await bench.there()
    bench.path.unlink()
    bench.path.mkdir()
    with trio.fail_after(20):
        while not (bench.ctx.note_text or "").startswith("no program can wake"):
            await trio.testing.wait_all_tasks_blocked(0.01)
    bench.path.rmdir()
    assert (await bench.wake("--from", "x", "y")).returncode == 0
    assert bench.path.stat().st_mode & 0o777 == 0o600
