"""The stub CLI as a program of its own, and what it wrote down."""

import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).with_name("stub_claude.py")


def write_stub(folder: Path) -> Path:
    """Make the executable; every container shows its folder read-only."""
    path = folder / "claude"
    path.write_text(f"#!{sys.executable} -ISs\n{SOURCE.read_text()}")
    path.chmod(0o755)
    return path


def stub_times(root: Path) -> dict[tuple[str, int], float]:
    """All moments of a hive's stubs, (kind, message id) to seconds of the monotonic clock."""
    return {(kind, number): when for file in _files(root) for kind, number, when in _lines(file)}


def _files(root: Path) -> Iterator[Path]:
    return (root / "agents").glob("*/state/times")


def _lines(file: Path) -> Iterator[tuple[str, int, float]]:
    for line in file.read_text().splitlines():
        kind, number, nanoseconds = line.split()
        yield kind, int(number), int(nanoseconds) / 1e9
