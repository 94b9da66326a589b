"""The thread that watches the Trio loop: real clock, real blocking."""

import io
import time
from pathlib import Path

import pytest
import trio

from hive.supervisors import Context, LoopWatchdog


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return ("trio", {})


async def watched(watchdog: LoopWatchdog, block: float) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watchdog.run, Context("watchdog"))
        await trio.sleep(0.1)
        if block:
            time.sleep(block)  # noqa: ASYNC251 - the very thing to be found
        await trio.sleep(0.2)
        nursery.cancel_scope.cancel()


async def test_a_blocked_loop_is_found_with_its_stacks(tmp_path: Path) -> None:
    file = tmp_path / "stacks"
    with file.open("w") as out:
        watchdog = LoopWatchdog(limit=0.4, file=out)
        await watched(watchdog, 1.2)
    text = file.read_text()
    assert "blocked for" in text
    assert "in watched" in text  # the guilty frame
    assert text.rstrip().endswith("runs again")
    statistics = watchdog.statistics()
    assert statistics.blocks >= 1  # a busy machine may add one of its own
    assert statistics.longest >= 0.4


async def test_a_free_loop_is_not_reported(tmp_path: Path) -> None:
    file = tmp_path / "stacks"
    with file.open("w") as out:
        watchdog = LoopWatchdog(limit=5.0, file=out)
        await watched(watchdog, 0)
    assert file.read_text() == ""
    assert watchdog.statistics().blocks == 0


async def test_a_file_without_descriptor_gets_the_line_without_stacks() -> None:
    out = io.StringIO()
    await watched(LoopWatchdog(limit=0.2, file=out), 0.6)
    assert "no stacks" in out.getvalue()
