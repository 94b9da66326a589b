"""A whole hive for end-to-end tests: driven as a user would, through the command line."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

HIVE = Path(sys.executable).parent / "hive"
START_S = 60.0
GROUPS = ("gate", "budget", "schedules")
"""Commands that have commands of their own."""


def scrubbed(**more: str) -> dict[str, str]:
    """An environment made from nothing: no variable of the machine leaks into a test."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/nonexistent",
        **more,
    }


class PipeLines:
    """The lines of a pipe, read by a thread, so that a test can wait for one with a deadline."""

    def __init__(self, pipe: Any) -> None:
        self.seen: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, args=(pipe,), daemon=True).start()

    def _read(self, pipe: Any) -> None:
        with pipe:
            for line in pipe:
                self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def wait_for(self, wanted: Callable[[str], bool], timeout: float = START_S) -> str:
        deadline = time.monotonic() + timeout
        while True:
            try:
                line = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"not seen in {timeout} s; seen: {self.seen}") from None
            if line is None:
                raise AssertionError(f"the stream ended; seen: {self.seen}")
            self.seen.append(line)
            if wanted(line):
                return line


class RunningHive:
    """`hive up` on a root of its own. `environment` is all that it gets."""

    def __init__(
        self, root: Path, environment: dict[str, str], *, config: str = "", web: bool = False
    ) -> None:
        self.root = root
        self.environment = environment
        self.web = web
        self.url: str | None = None
        root.mkdir(parents=True, exist_ok=True)
        (root / "hive.toml").write_text(config)
        self.process: subprocess.Popen[str] | None = None
        self.output: PipeLines | None = None

    def up(self, *arguments: str) -> None:
        """Start it and wait until all of it is ready."""
        self.process = subprocess.Popen(
            [HIVE, "up", "--root", self.root, "--web", "127.0.0.1:0", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.output = PipeLines(self.process.stdout)
        line = self.output.wait_for(lambda line: "http://" in line)
        self.url = line[line.index("http://") :].split()[0].rstrip("/")
        self.output.wait_for(lambda line: line.startswith("Ready"))

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill_daemon(self) -> None:
        """`kill -9` of the daemon alone; containers live on."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def terminate(self, timeout: float = 40.0) -> int:
        """SIGTERM and the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def clean_up(self) -> None:
        """Leave nothing behind, whatever the test did."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.run("down")

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run one command of the CLI against this root."""
        words = 2 if arguments[0] in GROUPS and arguments[1:2] and arguments[1][0] != "-" else 1
        return subprocess.run(
            [HIVE, *arguments[:words], "--root", self.root, *arguments[words:]],
            env=self.environment,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=90,
        )

    def ok(self, *arguments: str, stdin: str | None = None) -> str:
        """Run a command that must succeed; its standard output."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.ok(*arguments, "--json"))

    def events(self, *arguments: str) -> list[dict[str, Any]]:
        """The newest events, oldest first."""
        lines = self.ok("events", *arguments, "--json", "--limit", "1000").splitlines()
        return [json.loads(line) for line in lines]

    def agent(self, name: str) -> dict[str, Any]:
        return next(one for one in self.json("status")["agents"] if one["name"] == name)

    def follow(self, *arguments: str) -> "EventFollower":
        return EventFollower(self, arguments)

    def wait_event(self, wanted: Callable[[dict[str, Any]], bool], timeout: float = 60) -> Any:
        """Wait for an event, those of the past included."""
        with self.follow() as events:
            return events.wait_for(wanted, timeout)

    def wait_status(self, wanted: Callable[[dict[str, Any]], T | None], timeout: float = 60) -> T:
        """Wait until `wanted` finds something in the status: looked at after each event."""
        deadline = time.monotonic() + timeout
        with self.follow() as events:
            while True:
                status = self.json("status")
                if (found := wanted(status)) is not None:
                    return found
                left = deadline - time.monotonic()
                assert left > 0, status
                events.next(min(left, 1.0))

    def wait_agent(
        self, name: str, wanted: Callable[[dict[str, Any]], bool], timeout: float = 60
    ) -> dict[str, Any]:
        """Wait until the agent's status is as wanted."""
        return self.wait_status(
            lambda status: next(
                (one for one in status["agents"] if one["name"] == name and wanted(one)), None
            ),
            timeout,
        )

    def keeper(self, agent: str) -> int:
        """The pid of the process that keeps the agent's container."""
        return int((self.root / "run/keepers" / agent / "identity").read_text().split()[0])

    def process_inside(self, agent: str, mark: str) -> int:
        """The pid of the process in the agent's container whose command line has `mark`."""
        children: dict[int, list[int]] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(folder.name))
        found, todo = [], [self.keeper(agent)]
        while todo:
            pid = todo.pop()
            todo += children.get(pid, [])
            first_words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:3]
            if first_words[0].endswith(mark) or mark in first_words:
                found.append(pid)
        assert len(found) == 1, (mark, found)
        return found[0]


class EventFollower:
    """`hive events --follow --json`, first the past and then what comes."""

    def __init__(self, hive: RunningHive, arguments: tuple[str, ...]) -> None:
        self.process = subprocess.Popen(
            [HIVE, "events", "--root", hive.root, "--follow", "--json", *arguments],
            env=hive.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.lines = PipeLines(self.process.stdout)

    def __enter__(self) -> "EventFollower":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def wait_for(self, wanted: Callable[[dict[str, Any]], bool], timeout: float = 60) -> Any:
        return json.loads(self.lines.wait_for(lambda line: wanted(json.loads(line)), timeout))

    def next(self, timeout: float) -> None:
        try:
            self.lines.wait_for(lambda _: True, timeout)
        except AssertionError:
            pass  # nothing happened: the caller looks again


def kinds(kind: str, **fields: Any) -> Callable[[dict[str, Any]], bool]:
    return lambda e: e["kind"] == kind and all(e.get(k) == v for k, v in fields.items())


def processes_of(marker: str) -> Iterator[tuple[int, str]]:
    """Every process whose command line or environment mentions `marker`, ourselves excepted."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "cmdline").read_bytes() + b"\0" + (folder / "environ").read_bytes()
        except OSError:
            continue
        if marker.encode() in text and int(folder.name) != os.getpid():
            yield int(folder.name), text.replace(b"\0", b" ").decode(errors="replace")[:200]
