"""What the hive adds to a turn of the real CLI: the same scripted answer, bare and by the hive.

Both processes are persistent and warm; their turns alternate, so both see the same machine and
conversations of the same length.
"""

import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from bench.bare_claude import bare_claude
from bench.figures import Book
from bench.operator_link import operator_link
from support.model_api import ModelApi
from support.running import RunningHive

from hive.daemon.claude import find_claude

TURNS = 60
WARM_UP = 5
PART = "A turn of the real CLI, scripted model, warm process"
TEXT = "Say done."


@pytest.fixture
def model() -> Iterator[ModelApi]:
    api = ModelApi()
    api.rule({"type": "answer", "blocks": [{"type": "say", "text": "Done."}]})
    yield api
    api.close()


@pytest.fixture
def hive(model: ModelApi, tmp_path: Path) -> Iterator[RunningHive]:
    running = RunningHive(tmp_path / "hive", model.environment)
    running.up()
    yield running
    running.clean_up()


async def test_turn_overhead(
    hive: RunningHive, model: ModelApi, tmp_path: Path, book: Book
) -> None:
    credentials = {"ANTHROPIC_API_KEY": "test-key-1234", "ANTHROPIC_BASE_URL": model.url}
    bare, idle, by_hive = [], [], []
    async with (
        operator_link(hive) as operator,
        bare_claude(find_claude(None), tmp_path / "bare", credentials) as claude,
    ):
        for number in range(WARM_UP + TURNS):
            timing = await claude.turn(TEXT)
            await trio.sleep(0.1)
            sending, done = await operator.turn("manager", TEXT)
            await trio.sleep(0.1)
            if number >= WARM_UP:
                bare.append(timing.result)
                idle.append(timing.idle)
                by_hive.append(done - sending.called)
    book.times(PART, "bare, message to result", bare)
    book.times(PART, "bare, message to idle", idle)
    book.times(PART, "hive, send to acknowledged", by_hive)
    overhead = statistics.median(by_hive) - statistics.median(bare)
    book.add(PART, "overhead, median", overhead * 1e3, "ms", at_most=15)
