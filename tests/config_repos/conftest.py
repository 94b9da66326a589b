"""A hive's root with one agent's configuration repositories, and git as the agent runs it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import trio
from attrs import frozen

import hive.git
from hive.config_repos import ConfigRepositories
from hive.paths import Paths

FILES = {"agent.toml": b'purpose = "to test"\n', "prompts/role.md": b"Be brief.\n"}
AGENT = "worker"


@frozen
class Git:
    """Git as anybody runs it in `folder`, with all the bad habits that a configuration gives it."""

    folder: Path

    def __call__(self, *arguments: str, data: bytes = b"", check: bool = True) -> str:
        who = {
            f"GIT_{who}_{what}": "m@x"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        ended = subprocess.run(
            ("git", *arguments),
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": "/dev/null",
                "GIT_CONFIG_GLOBAL": "/dev/null",
                **who,
            },
            input=data,
            capture_output=True,
            timeout=60,
        )
        assert not check or ended.returncode == 0, ended.stderr
        return ended.stdout.decode().strip()

    def write(self, path: str, content: bytes | str) -> None:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, **files: bytes | str) -> str:
        """Commit all that is there, and these files; the hash."""
        for path, content in files.items():
            self.write(path, content)
        self("add", "--all")
        self("commit", "--quiet", "--allow-empty", "-m", "a change")
        return self("rev-parse", "HEAD")

    def commit_tree(self, tree: str) -> str:
        return self("commit-tree", tree, "-m", "by hand")

    def tree(self, *entries: tuple[bytes, bytes, str]) -> str:
        """Write a tree object as it is given: modes, names, hashes."""
        raw = b"".join(
            mode + b" " + name + b"\0" + bytes.fromhex(one) for mode, name, one in entries
        )
        return self("hash-object", "-t", "tree", "-w", "--literally", "--stdin", data=raw)

    def blob(self, content: bytes) -> str:
        return self("hash-object", "-w", "--stdin", data=content)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "root")


BOTH_WAYS = pytest.mark.parametrize(
    "repos", ["bwrap", None], ids=["bubblewrap", "plain"], indirect=True
)
"""For tests that hold without bubblewrap around what reads proposals, too."""


@pytest.fixture
def repos(paths: Paths, request: pytest.FixtureRequest) -> ConfigRepositories:
    return ConfigRepositories(paths, bwrap=getattr(request, "param", "bwrap"))


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test cuts the power: waiting for the disk would be most of their time."""
    monkeypatch.setitem(hive.git.CONFIG, "core.fsync", "none")
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture(scope="session")
def created(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root in which two agents were created; to copy, because each file there was synced."""
    root = tmp_path_factory.mktemp("created") / "root"

    async def create() -> None:
        for name in (AGENT, "secret"):
            await ConfigRepositories(Paths(root), bwrap=None).create(name, FILES)

    trio.run(create)
    return root


@pytest.fixture
def agent(created: Path, paths: Paths) -> Git:
    """The repository of proposals of an agent that was just created."""
    shutil.copytree(created, paths.root)
    return Git(paths.agent(AGENT).config)


@pytest.fixture
def applied(paths: Paths) -> Git:
    """The daemon's repository of that agent, for a look at it."""
    return Git(paths.applied_config(AGENT))
