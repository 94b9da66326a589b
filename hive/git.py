"""The one way in which the daemon runs git.

The command line program runs as a child process in a process group of its own, with a deadline and
a bound on its output. It knows nothing of the machine's or the user's configuration: its
environment is made here and has no variable of ours but PATH. It runs no hook, no file system
monitor and no maintenance, speaks no protocol, and uses nothing that somebody could have prepared
to mislead it (commit graph, index of several packs, replacements of objects). The repository is
always named, never looked for, so git's check of who owns what it found has nothing to do.

What cannot be switched off is the configuration of the repository itself. So git is never run on a
repository whose configuration an agent can write; see `hive.config_repos.proposals`.
"""

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import trio

from hive.text import escaped, flattened, shortened

OLDEST = (2, 32)
"""The first version that can be told to leave its user's configuration alone."""

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The hash of the tree without entries, which every repository knows."""

WITHIN = 30.0
MOST_OUTPUT = 1 << 20
MOST_MEMORY = 1 << 30
"""Bytes of address space for a git that reads what an agent has made."""

_MOST_SAID = 300
_KILL_S = 5.0
_INSTALL = f"install git {OLDEST[0]}.{OLDEST[1]} or newer (apt-get install git)"

CONFIG = {
    "attr.tree": EMPTY_TREE,  # else newer versions take attributes from HEAD of a bare repository
    "core.attributesFile": "/dev/null",
    "core.commitGraph": "false",
    "core.excludesFile": "/dev/null",
    "core.fsmonitor": "false",
    "core.fsync": "committed",
    "core.fsyncMethod": "batch",
    "core.hooksPath": "/dev/null",
    "core.multiPackIndex": "false",
    "core.packedGitLimit": "128m",
    "core.packedGitWindowSize": "16m",
    "core.quotePath": "false",
    "gc.auto": "0",
    "index.threads": "1",
    "maintenance.auto": "false",
    "pack.threads": "1",
    "protocol.allow": "never",
}
"""What every git is told, before anything that a repository says."""


class GitError(Exception):
    """Git did not do what it was to do; the text says what was run, what it said, what to do."""

    code = "git_error"


class GitUnavailable(GitError):
    """Git is not installed, or too old."""

    code = "git_unavailable"


class GitFailed(GitError):
    """Git ended with a status that is not 0; `said` is its standard error as one safe line."""

    code = "git_failed"

    def __init__(self, what: str, status: int, said: str) -> None:
        super().__init__(f"`{what}` ended with status {status}: {said or 'it did not say why'}")
        self.status = status
        self.said = said


class GitTimedOut(GitError):
    """Git did not end within its deadline and was killed."""

    code = "git_timed_out"


class GitOutputTooLong(GitError):
    """Git wrote more than was allowed and was killed; `begin` is what fits."""

    code = "git_output_too_long"

    def __init__(self, what: str, begin: bytes) -> None:
        super().__init__(f"`{what}` wrote more than the {len(begin)} bytes that are allowed")
        self.begin = begin


def escaped_line(text: str, most: int = _MOST_SAID) -> str:
    """The text on one line of at most `most` characters, without anything that is not printable."""
    return shortened(flattened(escaped(text[: 4 * most], keep="\n\t")), most)


def git_environment(folder: Path) -> dict[str, str]:
    """All the variables of a git that works on the git directory `folder`."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/dev/null",  # a folder that nobody can put a file into
        "LC_ALL": "C",
        "GIT_DIR": str(folder),
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": str(len(CONFIG)),
    }
    for number, (key, value) in enumerate(CONFIG.items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return environment


def identity(name: str, email: str, at: int) -> dict[str, str]:
    """The variables that make `name` author and committer at epoch second `at`."""
    return {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", name), ("EMAIL", email), ("DATE", f"@{at} +0000"))
    }


async def run_git(
    folder: Path,
    *arguments: str,
    data: bytes = b"",
    extra: Mapping[str, str] | None = None,
    within: float = WITHIN,
    most: int = MOST_OUTPUT,
    memory: int | None = None,
) -> bytes:
    """Run git on the git directory `folder`, and return what it wrote.

    `data` is its standard input, `extra` more variables, `within` seconds, `most` bytes of output,
    `memory` bytes of address space. Raises GitError.
    """
    argv = ("git", *arguments)
    if memory is not None:
        argv = ("sh", "-c", 'ulimit -v "$0" && exec "$@"', str(memory // 1024), *argv)
    environment = git_environment(folder) | dict(extra or {})
    what = escaped_line(" ".join(("git", *arguments)), 80)
    return await run_program(argv, environment, what, data=data, within=within, most=most)


async def check_git() -> None:
    """Find out whether git is there and new enough; raises GitUnavailable."""
    try:
        said = await run_git(Path("/dev/null"), "version")
    except GitUnavailable:
        raise
    except GitError as error:
        raise GitUnavailable(f"git does not work: {error}; {_INSTALL}") from None
    found = re.match(rb"git version (\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        version = escaped_line(said.decode(errors="replace"))
        raise GitUnavailable(f"{version!r} is too old for the hive: {_INSTALL}")


async def run_program(
    argv: Sequence[str],
    environment: Mapping[str, str],
    what: str,
    *,
    data: bytes = b"",
    within: float = WITHIN,
    most: int = MOST_OUTPUT,
) -> bytes:
    """Run git, or what starts it, in a process group of its own, and return what it wrote.

    `what` names it in errors. Whatever ends this early, such as its deadline, kills all of the
    group. Raises GitError.
    """
    try:
        process = await trio.lowlevel.open_process(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    except FileNotFoundError:
        what = "install it (apt-get install git bubblewrap)"
        raise GitUnavailable(f"{argv[0]} is missing on this machine: {what}") from None
    except OSError as error:
        raise GitFailed(what, -1, f"{argv[0]} cannot be started: {error}") from None
    output, said = bytearray(), bytearray()
    status: int | None = None
    assert process.stdin and process.stdout and process.stderr
    try:
        with trio.move_on_after(within):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_feed, process.stdin, data)
                nursery.start_soon(_collect, process.stderr, said)
                async for chunk in process.stdout:
                    output += chunk
                    if len(output) > most:
                        nursery.cancel_scope.cancel()
                        break
            if len(output) <= most:
                status = await process.wait()
    finally:
        with trio.move_on_after(_KILL_S, shield=True):
            if status is None:  # nobody has waited for the leader, so the number is still its own
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                await pipe.aclose()
    if len(output) > most:
        raise GitOutputTooLong(what, bytes(output[:most]))
    if status is None:
        raise GitTimedOut(f"`{what}` did not end within {within:g} s and was killed")
    line = escaped_line("; ".join(said.decode(errors="backslashreplace").splitlines()))
    if status == 127:  # of a shell that has not found the program
        raise GitUnavailable(f"git cannot be started ({line}): {_INSTALL}")
    if status:
        raise GitFailed(what, status, line)
    return bytes(output)


async def _feed(pipe: trio.abc.SendStream, data: bytes) -> None:
    try:
        await pipe.send_all(data)
    except trio.BrokenResourceError:
        pass  # it wants no more; its status tells why
    await pipe.aclose()


async def _collect(pipe: trio.abc.ReceiveStream, said: bytearray) -> None:
    async for chunk in pipe:
        said += chunk[: 4 * _MOST_SAID - len(said)]
