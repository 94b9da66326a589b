"""The program as it runs in a container: a process of its own, ended by signals."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import trio
from attrs import evolve

from hive.demo import Rule, Stall
from hive.wire.turns import Outcome

RESIDENT_MIB = 40


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


async def program(hive, *, task_status=trio.TASK_STATUS_IGNORED) -> None:
    """`python -m harness` instead of the harness in this process."""
    await hive.stop_harness()
    argv = [sys.executable, "-m", "harness", "--name", "worker-1"]
    process = await trio.lowlevel.open_process(
        [*argv, "--base", str(hive.base), "--socket", str(hive.socket)],
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    task_status.started(process)
    await process.wait()


async def test_sigterm_ends_a_turn_in_order_and_leaves_nothing(start):
    async with start() as hive, trio.open_nursery() as nursery:
        process = await nursery.start(program, hive)
        hive.daemon.deliver("first")
        (first,) = await hive.daemon.reports(1)
        assert first.outcome is Outcome.COMPLETED
        assert resident_mib(process.pid) <= RESIDENT_MIB
        asked = len(hive.script.requests)
        hive.script.add(Rule(Stall("stream")))
        hive.daemon.deliver("second")
        await hive.script.wait_requests(asked + 1)
        process.send_signal(signal.SIGTERM)
        _, second = await hive.daemon.reports(2)
        assert second.outcome is Outcome.INTERRUPTED
        with trio.fail_after(10):
            assert await process.wait() == 0
        assert hive.processes() == []


async def test_a_killed_harness_is_replaced_and_the_message_delivered_again(start):
    async with start() as hive, trio.open_nursery() as nursery:
        process = await nursery.start(program, hive)
        hive.script.add(Rule(Stall("stream"), count=1))
        hive.daemon.deliver("work")
        await hive.script.wait_requests(1)
        process.kill()
        for pid in hive.processes():  # as the end of its container does
            os.kill(pid, signal.SIGKILL)
        await process.wait()
        hive.daemon.settings = evolve(hive.daemon.settings, model="claude-haiku-5-5")
        hive.start_harness()
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.COMPLETED
        assert hive.script.requests[1].model == "claude-haiku-5-5"
        assert "message 1 from operator (delivered again)" in hive.script.requests[1].text
