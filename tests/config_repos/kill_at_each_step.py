"""Program: do one act again and again, killed at its first, second, third … step.

Each time a copy of a prepared root is made, a child does the act and is killed by SIGKILL, and what
it has left is looked at; then another child does the act again, unharmed. Prints how many steps
there were. They are before and after each program that is run, while it runs, and around each
change of a folder.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio

import hive.config_repos.proposals as proposals
import hive.git
from hive.config_repos import ConfigRepositories
from hive.paths import Paths

AGENT, NEW = "worker", "newcomer"
FILES = {"agent.toml": b"x = 1\n", "a/b": b"c"}
PR_SET_CHILD_SUBREAPER = 36

die_at: int | None = None
steps = 0


def step() -> None:
    global steps
    steps += 1
    if steps == die_at:
        os.kill(os.getpid(), signal.SIGKILL)


def count(module: Any, name: str) -> None:
    real = getattr(module, name)

    def wrapped(*arguments: Any, **options: Any) -> Any:
        step()
        answer = real(*arguments, **options)
        step()
        return answer

    setattr(module, name, wrapped)


def count_async(module: Any, name: str, *, before: bool = True) -> None:
    real = getattr(module, name)

    async def wrapped(*arguments: Any, **options: Any) -> Any:
        if before:
            step()
        answer = await real(*arguments, **options)
        step()
        return answer

    setattr(module, name, wrapped)


def in_child(act: Callable[[], Any]) -> int:
    """Its wait status; returns when all that it has started has ended, too."""
    global steps
    child = os.fork()
    if child == 0:
        steps = 0
        code = 1
        try:
            trio.run(act)
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    status = -1
    while True:
        try:
            pid, ended = os.wait()
        except ChildProcessError:
            return status
        if pid == child:
            status = ended


def git(folder: Path, *arguments: str, check: bool = True) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "HOME": "/dev/null",
    }
    who = {
        f"GIT_{one}_{what}": "m@x" for one in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    ended = subprocess.run(
        ("git", *arguments), cwd=folder, env=environment | who, capture_output=True, text=True
    )
    assert ended.returncode == 0 or not check, ended.stderr
    return ended.stdout.strip()


def main(act: str, created: Path, folder: Path) -> None:
    global die_at
    hive.git.CONFIG["core.fsync"] = "none"  # no power is cut here
    os.fsync = lambda file: None
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    paths = Paths(folder / "root")
    base = folder / "base"
    shutil.copytree(created, base)
    config = Paths(base).agent(AGENT).config
    git(config, "commit", "--quiet", "--allow-empty", "-m", "x")
    commit = git(config, "rev-parse", "HEAD")

    def repos() -> ConfigRepositories:
        return ConfigRepositories(paths, bwrap=None, now=lambda: 1e9)

    async def pinned() -> None:
        await ConfigRepositories(Paths(base), bwrap=None).pin(AGENT, commit, 1)

    if act in ("tag", "pin_again", "unpin"):
        assert in_child(pinned) == 0
    applied, proposed = paths.applied_config(AGENT), paths.agent(AGENT).config
    new = paths.applied_config(NEW), paths.agent(NEW).config
    acts: dict[str, Callable[[], Any]] = {
        "create": lambda: repos().create(NEW, FILES),
        "pin": lambda: repos().pin(AGENT, commit, 1),
        "tag": lambda: repos().tag(AGENT, "deployed", 1, commit, "it works"),
        "pin_again": lambda: repos().pin_again(AGENT, commit, 2),
        "unpin": lambda: repos().unpin(AGENT, 1),
        "remove": lambda: repos().remove(AGENT),
    }

    def whole(repository: Path) -> None:
        assert git(repository, "fsck", "--strict", "--no-dangling") == ""
        assert git(repository, "rev-parse", "refs/heads/main")

    def check_between() -> None:
        if act == "remove":
            for repository in (applied, proposed):
                if repository.exists():
                    whole(repository)
            return
        whole(applied)
        for tag in git(applied, "tag").splitlines():
            assert git(applied, "rev-parse", f"{tag}^{{commit}}") == commit
        for repository in new:
            if repository.exists():
                whole(repository)
                assert git(repository, "status", "--porcelain", check=False) == ""

    def check_after() -> None:
        left = {
            path.name for path in (*paths.applied.iterdir(), *paths.agent(AGENT).base.iterdir())
        }
        if act == "remove":
            assert left == {"secret"}, left
            return
        whole(applied)
        assert not any(name.startswith(".") for name in left), left
        assert not (applied / "incoming").exists()
        if act == "create":
            heads = {git(repository, "rev-parse", "HEAD") for repository in new}
            assert len(heads) == 1
            assert {path.name for path in paths.agent(NEW).base.iterdir()} == {"config"}
        else:
            expected = {
                "pin": ["proposal/1"],
                "pin_again": ["proposal/1", "proposal/2"],
                "tag": ["deployed/1", "proposal/1"],
                "unpin": [],
            }[act]
            assert git(applied, "tag").splitlines() == expected

    for module in (hive.git, proposals):
        count_async(module, "run_program")
    count_async(trio.lowlevel, "open_process", before=False)
    count(Path, "rename")
    count(shutil, "rmtree")

    for number in range(1, 1000):
        shutil.copytree(base, paths.root)
        die_at = number
        status = in_child(acts[act])
        die_at = None
        if status == 0:
            check_after()
            print(number - 1)
            return
        assert os.WIFSIGNALED(status), f"step {number}: status {status}"
        try:
            check_between()
            assert in_child(acts[act]) == 0
            check_after()
        except AssertionError as error:
            raise AssertionError(f"killed at step {number} of {act}: {error}") from error
        shutil.rmtree(paths.root)


main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
