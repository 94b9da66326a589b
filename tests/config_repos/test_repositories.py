"""Creating and removing the repositories, tags, files and differences."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from config_repos.conftest import AGENT, FILES
from support.plain_git import Git

from hive.config_repos import (
    BadTree,
    BaseMoved,
    ConfigRepositories,
    ConfigTag,
    NotPinned,
    TagKind,
)
from hive.config_repos.repositories import MOST_DIFF
from hive.git import GitFailed
from hive.paths import Paths


class Clock:
    """A wall clock that somebody sets."""

    now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(paths: Paths, clock: Clock) -> ConfigRepositories:
    return ConfigRepositories(paths, bwrap=None, now=clock)


async def test_creating_makes_two_repositories_with_one_commit(
    timed: ConfigRepositories, paths: Paths
) -> None:
    files = {**FILES, 'a "b" \\ ä.md': b"\0\xff\n", "empty": b"", "x/y/z": b"no line break"}
    commit = await timed.create(AGENT, files)
    proposals, applied = Git(paths.agent(AGENT).config), Git(paths.applied_config(AGENT))
    for repository in (proposals, applied):
        assert repository("rev-parse", "refs/heads/main", "HEAD").split() == [commit, commit]
        assert repository("fsck", "--strict", "--unreachable") == ""
        assert repository("log", "--format=%an %ct %s") == (
            "Hyperhive 1000000000 The first configuration"
        )
    assert proposals("status", "--porcelain") == ""
    assert {path: (proposals.folder / path).read_bytes() for path in files} == files
    assert proposals("config", "core.worktree", check=False) == ""
    assert await timed.files(AGENT, commit) == files
    assert await timed.deployed(AGENT) is None
    assert [one.name for one in (*paths.applied.iterdir(), *paths.agent(AGENT).base.iterdir())] == [
        AGENT,
        "config",
    ]


async def test_creating_again_changes_nothing(
    timed: ConfigRepositories, paths: Paths, clock: Clock
) -> None:
    first = await timed.create(AGENT, FILES)
    proposals = Git(paths.agent(AGENT).config)
    changed = proposals.commit(x="1")
    clock.now += 10
    assert await timed.create(AGENT, {"agent.toml": b"other"}) == first
    assert proposals("rev-parse", "HEAD") == changed


@pytest.mark.parametrize("empty", [True, False])
async def test_a_folder_that_is_there_is_used_only_if_empty(
    timed: ConfigRepositories, paths: Paths, empty: bool
) -> None:
    config = paths.agent(AGENT).config
    config.mkdir(parents=True)
    if not empty:
        (config / "mine").touch()
    await timed.create(AGENT, FILES)
    assert (config / "agent.toml").exists() == empty


async def test_lost_proposals_are_made_again_from_what_is_deployed(
    timed: ConfigRepositories, paths: Paths
) -> None:
    await timed.create(AGENT, FILES)
    proposals = Git(paths.agent(AGENT).config)
    commit = proposals.commit(**{"role.md": "deployed"})
    await timed.pin(AGENT, commit, 1)
    await timed.tag(AGENT, "deployed", 1, commit, "")
    shutil.rmtree(proposals.folder)
    await timed.create(AGENT, FILES)
    assert proposals("rev-parse", "HEAD") == commit
    assert proposals("status", "--porcelain") == ""
    assert proposals("log", "--format=%H") == commit  # its history ends here, and git knows that
    again = proposals.commit(**{"role.md": "next"})
    assert (await timed.pin(AGENT, again, 2)).base == commit


@pytest.mark.parametrize(
    "files", [{}, {"x": b""}, {**FILES, "../x": b""}, {**FILES, ".git/config": b""}]
)
async def test_files_that_break_a_rule_create_nothing(
    timed: ConfigRepositories, paths: Paths, files: dict[str, bytes]
) -> None:
    with pytest.raises(BadTree):
        await timed.create(AGENT, files)
    assert not paths.root.exists()


async def test_removing_leaves_nothing_and_may_be_repeated(
    timed: ConfigRepositories, paths: Paths
) -> None:
    first = await timed.create(AGENT, FILES)
    await timed.remove(AGENT)
    await timed.remove(AGENT)
    assert not [*paths.applied.iterdir(), *paths.agent(AGENT).base.iterdir()]
    paths.agent(AGENT).config.symlink_to(paths.root)  # what a link leads to stays
    await timed.remove(AGENT)
    assert paths.root.exists()
    assert await timed.create(AGENT, FILES) == first


async def test_tags_tell_the_whole_story(
    timed: ConfigRepositories, paths: Paths, clock: Clock
) -> None:
    await timed.create(AGENT, FILES)
    commit = Git(paths.agent(AGENT).config).commit(x="1")
    at = int(clock.now)
    await timed.pin(AGENT, commit, 7)
    story: list[tuple[TagKind, str]] = [
        ("approved", "fine by me"),
        ("building", ""),
        ("failed", "exit 1:\n\x1b[31mno\u202e such\tfile\0" + "x" * 1000),
        ("building", "the second is not written"),
    ]
    for kind, reason in story:
        await timed.tag(AGENT, kind, 7, commit, reason)
    tags = await timed.tags(AGENT)
    assert tags[:-1] == (
        ConfigTag("proposal", 7, commit, at, "pinned"),
        ConfigTag("approved", 7, commit, at, "fine by me"),
        ConfigTag("building", 7, commit, at, "building"),
    )
    assert tags[-1].kind == "failed"
    assert tags[-1].reason.startswith(r"exit 1: \x1b[31mno\u202e such file\x00xxx")
    assert len(tags[-1].reason) == 300


async def test_tags_of_others_are_not_ours(timed: ConfigRepositories, paths: Paths) -> None:
    commit = await timed.create(AGENT, FILES)
    applied = Git(paths.applied_config(AGENT))
    applied("tag", "v1", commit)
    applied("tag", "-a", "-m", "x", "proposals/1", commit)
    applied("tag", "-a", "-m", "x", "deployed/x", commit)
    applied("tag", "deployed/1", commit)  # not annotated
    applied("tag", "-a", "-m", "x", "approved/2", f"{commit}:agent.toml")
    assert [tag.kind for tag in await timed.tags(AGENT)] == ["approved"]
    assert await timed.deployed(AGENT) is None


async def test_only_what_was_pinned_is_tagged(timed: ConfigRepositories, paths: Paths) -> None:
    first = await timed.create(AGENT, FILES)
    commit = Git(paths.agent(AGENT).config).commit(x="1")
    await timed.pin(AGENT, commit, 1)
    for proposal, other in ((1, first), (2, commit), (1, commit[:12]), (1, "main")):
        with pytest.raises(NotPinned):
            await timed.tag(AGENT, "approved", proposal, other, "")
    assert len(await timed.tags(AGENT)) == 1


async def test_what_was_deployed_last_is_so_whatever_the_clock_says(
    timed: ConfigRepositories, paths: Paths, clock: Clock
) -> None:
    await timed.create(AGENT, FILES)
    proposals = Git(paths.agent(AGENT).config)
    first, second = proposals.commit(x="1"), proposals.commit(x="2")
    for proposal, commit in ((1, first), (2, second), (3, first)):
        await timed.pin(AGENT, commit, proposal)
    for proposal, commit, step in ((2, second, 0), (1, first, 0), (3, first, -50_000)):
        clock.now += step
        await timed.tag(AGENT, "deployed", proposal, commit, "")
        assert await timed.deployed(AGENT) == commit
    await timed.tag(AGENT, "deployed", 2, second, "again")
    assert await timed.deployed(AGENT) == first


async def test_a_base_that_moved_is_told(timed: ConfigRepositories, paths: Paths) -> None:
    await timed.create(AGENT, FILES)
    proposals = Git(paths.agent(AGENT).config)
    first, second = proposals.commit(x="1"), proposals.commit(x="2")
    assert (await timed.pin(AGENT, first, 1)).base is None
    await timed.check_base(AGENT, None)
    await timed.tag(AGENT, "deployed", 1, first, "")
    with pytest.raises(BaseMoved, match=f"when nothing was deployed for {AGENT}, and now {first}"):
        await timed.check_base(AGENT, None)
    assert (await timed.pin(AGENT, second, 2)).base == first
    await timed.check_base(AGENT, first)


async def test_files_are_those_that_are_asked_for(timed: ConfigRepositories, paths: Paths) -> None:
    commit = await timed.create(AGENT, {**FILES, "copy.toml": FILES["agent.toml"]})
    asked = ("agent.toml", "copy.toml", "none", "prompts", "../x", "", "a\nb", "-x")
    assert await timed.files(AGENT, commit, *asked) == {
        "agent.toml": FILES["agent.toml"],
        "copy.toml": FILES["agent.toml"],
    }


@pytest.mark.parametrize("commit", ["main", "HEAD", "0" * 39, "--all", "0" * 41, "Ä" * 40])
async def test_only_full_hashes_are_asked_for(timed: ConfigRepositories, commit: str) -> None:
    await timed.create(AGENT, FILES)
    for ask in (
        lambda: timed.files(AGENT, commit),
        lambda: timed.diff(AGENT, None, commit),
        lambda: timed.diff(AGENT, commit, "0" * 40),
    ):
        with pytest.raises(ValueError, match="not the full hash"):
            await ask()
    with pytest.raises(GitFailed):
        await timed.files(AGENT, "0" * 40)


async def test_a_difference_hides_nothing(timed: ConfigRepositories, paths: Paths) -> None:
    first = await timed.create(
        AGENT, {**FILES, "old.md": b"gone\n", ".gitattributes": b"* -diff\n"}
    )
    proposals = Git(paths.agent(AGENT).config)
    (proposals.folder / "old.md").unlink()
    (proposals.folder / "agent.toml").chmod(0o755)
    commit = proposals.commit(
        **{
            "prompts/role.md": b"Be brief.\n\0binary \xff\x1b[2J\rrewritten\xe2\x80\xae\n"
            b"+++ b/agent.toml\n",
            "ä b.md": "<script>\n",
        }
    )
    await timed.pin(AGENT, commit, 1)
    text = await timed.diff(AGENT, first, commit)
    assert "-gone\n" in text
    assert "old mode 100644\nnew mode 100755\n" in text
    assert "+\\x00binary \\xff\\x1b[2J\\rrewritten\\u202e\n++++ b/agent.toml\n" in text
    assert "+++ b/ä b.md\t\n@@ -0,0 +1 @@\n+<script>\n" in text
    assert text.replace("\n", "").replace("\t", "").isprintable()
    assert await timed.diff(AGENT, first, first) == ""
    assert "-gone" not in await timed.diff(AGENT, None, commit)


async def test_a_long_difference_is_cut_and_says_so(
    timed: ConfigRepositories, paths: Paths
) -> None:
    first = await timed.create(AGENT, FILES)
    commit = Git(paths.agent(AGENT).config).commit(x="ä line\n" * 100_000)
    await timed.pin(AGENT, commit, 1)
    text = await timed.diff(AGENT, first, commit)
    *lines, last = text.splitlines()
    assert lines[-1] == "+ä line"
    assert MOST_DIFF - 100 < len("\n".join(lines).encode()) <= MOST_DIFF
    assert last == (
        f"[cut here: the difference has more than {MOST_DIFF} bytes; see all of it with "
        f"git diff {first} {commit}]"
    )


async def test_a_lock_that_a_killed_git_has_left_is_no_obstacle(
    timed: ConfigRepositories, paths: Paths
) -> None:
    await timed.create(AGENT, FILES)
    commit = Git(paths.agent(AGENT).config).commit(x="1")
    for name in ("proposal/1", "approved/1"):
        Git(paths.applied_config(AGENT)).write(f"refs/tags/{name}.lock", "")
    await timed.pin(AGENT, commit, 1)
    await timed.tag(AGENT, "approved", 1, commit, "")
    assert [tag.kind for tag in await timed.tags(AGENT)] == ["proposal", "approved"]


STEPS = {"create": 20, "pin": 20, "pin_again": 4, "tag": 6, "unpin": 4, "remove": 8}
"""At least so many moments of each there are, or the test tests nothing."""


@pytest.mark.parametrize("act", STEPS)
def test_a_kill_at_any_step_leaves_it_as_before_or_as_after(
    act: str, created: Path, tmp_path: Path
) -> None:
    program = (sys.executable, Path(__file__).with_name("kill_at_each_step.py"))
    ended = subprocess.run(
        (*program, act, created, tmp_path), capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) >= STEPS[act]
