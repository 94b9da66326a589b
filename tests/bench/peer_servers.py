"""NATS and Redis servers with data folders of their own; `make bench` installs the programs."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from attrs import frozen
from support.running import scrubbed

T = TypeVar("T")

_START_S = 20.0
_LOOK_S = 0.02
_FOLDERS = os.pathsep.join(("/usr/local/bin", "/usr/bin", "/usr/sbin", "/usr/local/sbin"))


@frozen
class Server:
    """A running server; `label` says its version and how strictly it syncs."""

    pid: int
    label: str


@contextmanager
def redis_server(folder: Path) -> Iterator[tuple[Server, Path]]:
    """Redis on a unix socket; each command is in its file, synced, before it is answered."""
    program, version = _program("redis-server", r"v=(\d+)\.(\d+)\.(\d+)")
    folder.mkdir()
    socket = folder / "socket"
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
    }
    words = [word for key, value in settings.items() for word in (f"--{key}", value)]
    with _running([program, *words], folder, lambda _: socket if socket.exists() else None) as (
        pid,
        path,
    ):
        yield Server(pid, f"Redis {_dotted(version)} streams, appendfsync always"), path


@contextmanager
def nats_server(folder: Path) -> Iterator[tuple[Server, int]]:
    """NATS with JetStream on a port of its own, as strict as its version can be.

    Since 2.10 it syncs each write before it answers if told so. Before that there is no setting:
    what it has answered is in the system's memory, and on disk at the latest a minute later.
    """
    program, version = _program("nats-server", r"v(\d+)\.(\d+)\.(\d+)")
    folder.mkdir()
    strict = version >= (2, 10, 0)
    jetstream = [f'store_dir: "{folder}"', *(["sync_interval: always"] if strict else [])]
    config = folder / "nats.conf"
    config.write_text(
        f'listen: "127.0.0.1:-1"\nports_file_dir: "{folder}"\n'
        f"jetstream {{\n{chr(10).join(jetstream)}\n}}\n"
    )

    def port(pid: int) -> int | None:
        try:
            found = json.loads((folder / f"nats-server_{pid}.ports").read_text())
        except (OSError, ValueError):  # not there yet, or half written
            return None
        return int(found["nats"][0].rpartition(":")[2])

    sync = "sync_interval always" if strict else "fsync once a minute only"
    with _running([program, "-c", str(config)], folder, port) as (pid, found):
        yield Server(pid, f"NATS {_dotted(version)} JetStream, {sync}"), found


@contextmanager
def _running(
    command: Sequence[str], folder: Path, look: Callable[[int], T | None]
) -> Iterator[tuple[int, T]]:
    """Run a server; `look` (given its process id) finds where it listens once it does."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=scrubbed(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield process.pid, _wait(process, folder, look)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", folder: Path, look: Callable[[int], T | None]) -> T:
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        if (found := look(process.pid)) is not None:
            return found
        time.sleep(_LOOK_S)
    raise RuntimeError(f"the server did not start: {(folder / 'log').read_text()[-2000:]}")


def _program(name: str, pattern: str) -> tuple[str, tuple[int, ...]]:
    program = shutil.which(name, path=_FOLDERS)
    if program is None:
        raise RuntimeError(f"{name} is not installed: ops/setup.sh --bench does it")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    found = re.search(pattern, said.stdout + said.stderr)
    assert found is not None, said
    return program, tuple(int(part) for part in found.groups())


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
