"""A hive's root with one agent's configuration repositories, and git as the agent runs it."""

import os
import shutil
from pathlib import Path

import pytest
import trio
from support.plain_git import Git

import hive.git
from hive.config_repos import ConfigRepositories
from hive.paths import Paths

FILES = {"agent.toml": b'purpose = "to test"\n', "prompts/role.md": b"Be brief.\n"}
AGENT = "worker"


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
