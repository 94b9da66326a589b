"""Collects what the benchmarks measure; prints it, saves it, and fails if a target is missed."""

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bench.figures import Book, as_json, table
from bench.stub import write_stub
from support.running import RunningHive, scrubbed

RESULTS = Path(__file__).resolve().parents[2] / "bench-results"
BOOK = Book()
LOAD = os.getloadavg()[0]


@pytest.fixture(scope="session")
def book() -> Book:
    """Where a benchmark notes its figures."""
    return BOOK


@pytest.fixture(scope="module")
def stub_hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RunningHive]]:
    """Starts a hive whose agents run the stub in place of claude; one for each module."""
    made: list[RunningHive] = []

    def start(config: str = "") -> RunningHive:
        claude = write_stub(tmp_path_factory.mktemp("cli"))
        hive = RunningHive(
            tmp_path_factory.mktemp("bench") / "hive",
            scrubbed(ANTHROPIC_API_KEY="of-nobody"),
            config=f'[claude]\npath = "{claude}"\n{config}',
        )
        made.append(hive)
        hive.up()
        return hive

    yield start
    for hive in made:
        hive.clean_up()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not BOOK.figures:
        return
    _save()
    if BOOK.missed and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not BOOK.figures:
        return
    for line in table(BOOK.figures):
        terminalreporter.write_line(line)
    missed = len(BOOK.missed)
    with_target = sum(figure.met is not None for figure in BOOK.figures)
    terminalreporter.write_line(
        f"\n{with_target - missed} of {with_target} targets met; "
        f"load average before: {LOAD:.1f} on {os.cpu_count()} processors"
    )


def _save() -> None:
    RESULTS.mkdir(exist_ok=True)
    head = {
        "at": round(time.time()),
        "commit": _commit(),
        "python": platform.python_version(),
        "load": LOAD,
    }
    name = time.strftime("%Y%m%dT%H%M%SZ.jsonl", time.gmtime())
    with (RESULTS / name).open("w") as file:
        for figure in BOOK.figures:
            file.write(json.dumps(head | as_json(figure)) + "\n")


def _commit() -> str:
    command = ["git", "-C", str(RESULTS.parent), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()
