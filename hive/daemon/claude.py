"""Which `claude` binary the agents run, and whether it is new enough."""

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

MINIMUM = (2, 1, 300)
"""Oldest version whose stream protocol the harness was written against."""

_BUNDLED = "claude_agent_sdk/_bundled/claude"


class ClaudeMissing(Exception):
    """There is no usable CLI; the text says what was tried and what to do."""


def find_claude(configured: str | None, path: str | None = None) -> Path:
    """Return the configured binary, else `claude` on `path`, else that of the wheel.

    `path` is as in PATH, None: that of this process. Raises ClaudeMissing.
    """
    if configured is not None:
        found = Path(configured).expanduser()
        if not (found.is_file() and os.access(found, os.X_OK)):
            raise ClaudeMissing(
                f"[claude] path = {configured!r} is not an executable file: correct hive.toml"
            )
        return found.resolve()
    if on_path := shutil.which("claude", path=path):
        return Path(on_path).resolve()
    bundled = Path(sysconfig.get_path("purelib")) / _BUNDLED
    if not os.access(bundled, os.X_OK):
        raise ClaudeMissing(
            "the claude CLI is missing: it is neither on PATH nor in the wheel claude-agent-sdk; "
            "run `make setup`, or set [claude] path in hive.toml"
        )
    return bundled.resolve()


def what_claude_needs(binary: Path) -> Path:
    """Return what a container must see to run the (resolved) binary: mostly that file alone.

    The CLI is one program; the wheel, its own installer (`versions/2.1.330`) and npm have it so.
    Only npm may leave a script in its place, which needs the packages beside it.
    """
    parts = binary.parts
    if "node_modules" not in parts:
        return binary
    at = len(parts) - parts[::-1].index("node_modules")
    return Path(*parts[: at + 1]) if at + 1 < len(parts) else binary


def check_version(binary: Path) -> str:
    """Ask the binary for its version, as in 2.1.330 (blocks).

    Raises ClaudeMissing when it is too old, or gives none within 30 s.
    """
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "DISABLE_AUTOUPDATER": "1"}
    try:
        answer = subprocess.run(
            [binary, "--version"],
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=30,
            check=True,
            stdin=subprocess.DEVNULL,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ClaudeMissing(f"{binary} --version failed: {error}") from None
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", answer)
    if match is None:
        raise ClaudeMissing(f"{binary} --version said {answer[:80]!r}, not a version of claude")
    if tuple(map(int, match.groups())) < MINIMUM:
        least = ".".join(map(str, MINIMUM))
        raise ClaudeMissing(
            f"{binary} is version {match.group()}, {least} or newer is needed: upgrade it, or "
            "remove it from PATH (the bundled one is used then), or set [claude] path in hive.toml"
        )
    return match.group()
