"""The web process as the daemon starts it."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).resolve().parents[2]


@frozen
class WebProcess:
    process: "subprocess.Popen[str]"
    url: str

    @property
    def port(self) -> int:
        return int(self.url.rstrip("/").rsplit(":", 1)[1])


def build_page() -> None:
    """The bundle, made if it is not there yet; fails with npm's words."""
    subprocess.run([sys.executable, ROOT / "web/page/build.py"], check=True, timeout=120)


@contextmanager
def web_process(socket: Path, *more: str, stdin: int | None = None) -> Iterator[WebProcess]:
    """`python -m web` on a port that the kernel chose, until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "web", "--socket", socket, "--bind", "127.0.0.1:0", *more],
        cwd=ROOT,
        stdin=stdin,
        stdout=subprocess.PIPE,
        text=True,
    )
    impatience = threading.Timer(20, process.kill)
    impatience.start()
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        impatience.cancel()
        assert line.startswith("hive web: http://127.0.0.1:"), line
        yield WebProcess(process, line.split()[-1])
    finally:
        impatience.cancel()
        process.kill()
        process.communicate()
