"""Pinning a commit: what is taken, and what is refused with words for the agent that asked."""

import hashlib
import itertools
import shutil
from collections.abc import Callable

import pytest
import trio
from config_repos.conftest import AGENT, BOTH_WAYS, FILES
from support.plain_git import Git

from hive.config_repos import (
    AmbiguousCommit,
    BadTree,
    ConfigRepositories,
    NoRepository,
    NoSuchCommit,
    NotAHash,
    NotPinned,
    Pinned,
)
from hive.paths import Paths

MISSING = "0123456789abcdef0123456789abcdef01234567"


def nothing_pinned(applied: Git) -> bool:
    """Nothing is tagged, and nothing lies about that a refused pin has brought."""
    return not applied("tag") and not applied("fsck", "--unreachable", "--no-reflogs")


@BOTH_WAYS
@pytest.mark.parametrize("length", [7, 12, 40])
async def test_a_hash_is_pinned_in_full_or_short(
    repos: ConfigRepositories, agent: Git, applied: Git, length: int
) -> None:
    agent.commit(**{"a/b/c.md": "x", "run.sh": "y"})
    (agent.folder / "run.sh").chmod(0o755)
    commit = agent.commit()
    assert await repos.pin(AGENT, commit[:length].upper(), 3) == Pinned(AGENT, 3, commit, None)
    assert applied("rev-parse", "proposal/3^{commit}") == commit
    assert applied("ls-tree", "-r", commit) == agent("ls-tree", "-r", commit)
    assert applied("fsck", "--strict") == ""
    assert not (applied.folder / "incoming").exists()


async def test_what_happens_to_the_proposals_later_changes_nothing(
    repos: ConfigRepositories, agent: Git, paths: Paths
) -> None:
    commit = agent.commit(**{"role.md": "as pinned"})
    pinned = await repos.pin(AGENT, commit, 1)
    agent("reset", "--quiet", "--hard", "HEAD~1")
    agent("reflog", "expire", "--expire=now", "--all")
    agent("gc", "--quiet", "--prune=now")
    with pytest.raises(NoSuchCommit):
        await repos.pin(AGENT, commit, 2)
    shutil.rmtree(agent.folder)
    assert await repos.pin(AGENT, commit, 1) == pinned
    assert (await repos.files(AGENT, commit))["role.md"] == b"as pinned"
    with pytest.raises(NoRepository):
        await repos.pin(AGENT, commit, 2)


async def test_a_proposal_stays_the_commit_that_it_is(
    repos: ConfigRepositories, agent: Git, applied: Git
) -> None:
    first, second = agent.commit(x="1"), agent.commit(x="2")
    await repos.pin(AGENT, first, 1)
    with pytest.raises(NotPinned, match=f"proposal 1 of {AGENT} is commit {first} already"):
        await repos.pin(AGENT, second, 1)
    assert applied("rev-parse", "proposal/1^{commit}") == first


async def test_what_was_pinned_can_be_pinned_again_without_the_proposals(
    repos: ConfigRepositories, agent: Git, applied: Git
) -> None:
    commit, other = agent.commit(x="1"), agent.commit(x="2")
    await repos.pin(AGENT, commit, 1)
    shutil.rmtree(agent.folder)
    for _ in range(2):
        await repos.pin_again(AGENT, commit, 2)
    assert applied("tag").splitlines() == ["proposal/1", "proposal/2"]
    assert applied("rev-parse", "proposal/2^{commit}") == commit
    with pytest.raises(NotPinned, match="cannot be pinned as proposal 3"):
        await repos.pin_again(AGENT, other, 3)
    with pytest.raises(NotPinned, match="cannot be pinned as proposal 2"):
        await repos.pin_again(AGENT, other, 2)


async def test_what_is_unpinned_is_gone_unless_another_proposal_holds_it(
    repos: ConfigRepositories, agent: Git, applied: Git
) -> None:
    commits = [agent.commit(x=f"{number}") for number in range(2)]
    for number, commit in enumerate(commits, 1):
        await repos.pin(AGENT, commit, number)
    await repos.pin_again(AGENT, commits[0], 3)
    await repos.unpin(AGENT, 1)
    assert (await repos.files(AGENT, commits[0]))["x"] == b"0"
    for _ in range(2):
        await repos.unpin(AGENT, 3)
    assert commits[0] not in applied("cat-file", "--batch-check", "--batch-all-objects")
    assert (await repos.files(AGENT, commits[1]))["x"] == b"1"
    await repos.unpin(AGENT, 2)
    assert nothing_pinned(applied) and applied("fsck", "--strict") == ""
    assert await repos.files(AGENT, await repos.first(AGENT)) == FILES
    assert (await repos.pin(AGENT, commits[0], 4)).commit == commits[0]


async def test_history_and_what_was_in_it_stay_outside(
    repos: ConfigRepositories, agent: Git, applied: Git
) -> None:
    huge = agent.commit(huge=b"x" * (5 << 20))
    (agent.folder / "huge").unlink()
    commit = agent.commit()
    await repos.pin(AGENT, commit, 1)
    assert applied("log", "--format=%H", "proposal/1") == commit
    assert not applied("cat-file", "-t", huge, check=False)
    with pytest.raises(BadTree, match="largest is huge with 5242880"):
        await repos.pin(AGENT, huge, 2)


@pytest.mark.parametrize(
    "name",
    [
        "main", "HEAD", "HEAD~1", "v1", "refs/heads/main", "abc", "abcdef", "", "--all", "-q",
        "0123456^", "0123456~1", "0123456:x", "0123456..89abcde", "@{u}", ":/a change", "g" * 40,
        "0" * 41, "0" * 64, "0123456\n", "0123456 ", "\uff11" * 7, "../../x", "\x1b[31m", "\0" * 7,
    ],
)  # fmt: skip
async def test_what_is_no_hash_is_refused(
    repos: ConfigRepositories, agent: Git, applied: Git, name: str
) -> None:
    agent("tag", "v1")
    with pytest.raises(NotAHash, match="is not the hash of a commit: give 7 to 40") as refused:
        await repos.pin(AGENT, name, 1)
    assert str(refused.value).isprintable()
    assert nothing_pinned(applied)


def _branch(agent: Git) -> str:
    agent("update-ref", "refs/heads/abcdef12", "HEAD")
    return "abcdef12"


def _packed_branch(agent: Git) -> str:
    agent.write(".git/packed-refs", f"{agent('rev-parse', 'HEAD')} refs/heads/abcdef12\n")
    return "abcdef12"


def _reference_beside_head(agent: Git) -> str:
    agent.write(".git/abcdef12", agent("rev-parse", "HEAD") + "\n")
    return "abcdef12"


def _annotated_tag(agent: Git) -> str:
    agent("tag", "-a", "-m", "a tag", "v1")
    return agent("rev-parse", "v1")


NAMES_NO_COMMIT: list[Callable[[Git], str]] = [
    lambda agent: MISSING,
    lambda agent: MISSING[:7],
    lambda agent: agent("rev-parse", "HEAD^{tree}"),
    lambda agent: agent("rev-parse", "HEAD:agent.toml"),
    _annotated_tag,
    _branch,
    _packed_branch,
    _reference_beside_head,
]


@BOTH_WAYS
@pytest.mark.parametrize("name", NAMES_NO_COMMIT)
async def test_a_hash_that_is_no_commits_is_refused(
    repos: ConfigRepositories, agent: Git, applied: Git, name: Callable[[Git], str]
) -> None:
    given = name(agent)
    with pytest.raises(NoSuchCommit, match=f"of {AGENT} has the hash {given}: commit there"):
        await repos.pin(AGENT, given, 1)
    assert nothing_pinned(applied)


async def test_a_commit_of_another_agent_is_refused(
    repos: ConfigRepositories, agent: Git, applied: Git, paths: Paths
) -> None:
    await repos.create("other", FILES)
    commit = Git(paths.agent("other").config).commit(x="secret")
    await repos.pin("other", commit, 1)
    with pytest.raises(NoSuchCommit):
        await repos.pin(AGENT, commit, 1)
    assert nothing_pinned(applied)


def _colliding_commits(tree: str) -> tuple[bytes, bytes]:
    """Two commits whose hashes have the same first seven digits: a birthday's search."""
    seen: dict[str, bytes] = {}
    for number in itertools.count():
        who = f"m <m@x> {number} +0000"
        body = f"tree {tree}\nauthor {who}\ncommitter {who}\n\nx\n".encode()
        digest = hashlib.sha1(b"commit %d\0%b" % (len(body), body)).hexdigest()
        if (other := seen.setdefault(digest[:7], body)) != body:
            return other, body
    raise AssertionError


@BOTH_WAYS
async def test_a_short_hash_of_two_commits_is_ambiguous(
    repos: ConfigRepositories, agent: Git, applied: Git
) -> None:
    first, second = (
        agent("hash-object", "-t", "commit", "-w", "--stdin", data=body)
        for body in _colliding_commits(agent("rev-parse", "HEAD^{tree}"))
    )
    with pytest.raises(AmbiguousCommit, match=f"several commits begin with {first[:7]}"):
        await repos.pin(AGENT, first[:7], 1)
    assert nothing_pinned(applied)
    assert (await repos.pin(AGENT, second, 1)).commit == second


def _link(agent: Git) -> str:
    (agent.folder / "notes").symlink_to("/etc/passwd")
    return agent.commit()


def _submodule(agent: Git) -> str:
    agent("update-index", "--add", "--cacheinfo", f"160000,{MISSING},sub")
    agent("commit", "--quiet", "-m", "sub")
    return agent("rev-parse", "HEAD")


def _without_entry_point(agent: Git) -> str:
    agent("rm", "--quiet", "agent.toml")
    return agent.commit()


def _entry_point_is_a_link(agent: Git) -> str:
    (agent.folder / "agent.toml").unlink()
    (agent.folder / "agent.toml").symlink_to("other.toml")
    return agent.commit(**{"other.toml": "x"})


def _large_random(agent: Git) -> str:
    return agent.commit(**{f"f{n}": bytes([n]) * (1 << 20) + b"end" for n in range(5)})


def _hundred_megabytes(agent: Git) -> str:
    return agent.commit(**{"zeros.bin": bytes(100_000_000)})


def _many_files(agent: Git) -> str:
    blob = agent.blob(b"x").encode()
    lines = b"".join(b"100644 blob %b\tf%d\n" % (blob, n) for n in range(1200))
    return _beside_agent_toml(agent, agent("mktree", data=lines))


def _tree_bomb(agent: Git) -> str:
    """Ten levels of ten times the same folder: 10^10 files in a dozen objects."""
    one = agent.tree(*((b"100644", b"f%d" % n, agent.blob(b"x")) for n in range(10)))
    for _ in range(10):
        one = agent.tree(*((b"40000", b"d%d" % n, one) for n in range(10)))
    return _beside_agent_toml(agent, one)


def _deep(agent: Git) -> str:
    one = agent.tree((b"100644", b"f", agent.blob(b"x")))
    for _ in range(150):
        one = agent.tree((b"40000", b"d", one))
    return _beside_agent_toml(agent, one)


def _long_message(agent: Git) -> str:
    agent("commit", "--quiet", "--allow-empty", "--file=-", data=b"x" * 100_000)
    return agent("rev-parse", "HEAD")


def _beside_agent_toml(agent: Git, folder: str) -> str:
    entry_point = (b"100644", b"agent.toml", agent.blob(b"x"))
    return agent.commit_tree(agent.tree(entry_point, (b"40000", b"z", folder)))


def _named(name: bytes, mode: bytes = b"100644") -> Callable[[Git], str]:
    def make(agent: Git) -> str:
        entry_point = (b"100644", b"agent.toml", agent.blob(b"x"))
        return agent.commit_tree(agent.tree(entry_point, (mode, name, agent.blob(b"y"))))

    return make


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_link, "notes is a symbolic link: only files and folders"),
        (_submodule, "sub is a submodule"),
        (_without_entry_point, "no file agent.toml at its top"),
        (_entry_point_is_a_link, "agent.toml is a symbolic link"),
        (_large_random, "files of the commit have 52429.* bytes, at most 4194304"),
        (_hundred_megabytes, "largest is zeros.bin with 100000000"),
        (_many_files, "more than 1000 files and folders"),
        (_tree_bomb, "more than 1000 files and folders"),
        (_deep, "has more than 255 bytes"),
        (_long_message, "the commit itself has .* shorten its message"),
        (_named(b"z\xff"), r"z\\xff is not UTF-8"),
        (_named(b"z\x1b[2J"), r"z\\x1b\[2J has characters that are not printable"),
        (_named(b".."), "part '..'"),
        (_named(b".Git"), "part '.Git'"),
        (_named(b"z/agent.toml"), "git refuses the objects .*full pathnames"),
        (_named(b"git~1"), "git refuses the objects .*contains '.git'"),
        (_named(".g\u200cit".encode()), "not printable"),
        (_named(b"agent.toml"), "git refuses the objects .*duplicate"),
        (_named(b"z", b"0100644"), "git refuses the objects .*zero-padded"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_tree_that_breaks_a_rule_is_refused(
    repos: ConfigRepositories, agent: Git, applied: Git, make: Callable[[Git], str], words: str
) -> None:
    commit = make(agent)
    with trio.fail_after(20), pytest.raises(BadTree, match=words) as refused:
        await repos.pin(AGENT, commit, 1)
    assert str(refused.value).isprintable()
    assert nothing_pinned(applied)


@pytest.mark.parametrize("name", ["..", "a/b", "Worker", "operator", "", "x" * 40])
async def test_what_is_no_agents_name_is_refused(repos: ConfigRepositories, name: str) -> None:
    with pytest.raises(ValueError, match=r"name|reserved"):
        await repos.pin(name, MISSING, 1)
    with pytest.raises(ValueError, match=r"name|reserved"):
        await repos.create(name, FILES)
    with pytest.raises(ValueError, match=r"name|reserved"):
        await repos.remove(name)


async def test_an_agent_without_repositories_is_told_so(
    repos: ConfigRepositories, paths: Paths
) -> None:
    for ask in (
        lambda: repos.pin("nobody", MISSING, 1),
        lambda: repos.tag("nobody", "approved", 1, MISSING, ""),
        lambda: repos.tags("nobody"),
        lambda: repos.deployed("nobody"),
        lambda: repos.files("nobody", MISSING),
        lambda: repos.diff("nobody", None, MISSING),
    ):
        with pytest.raises(NoRepository, match="nobody has no configuration repository"):
            await ask()
    assert not paths.root.exists()


@pytest.mark.parametrize("proposal", [0, -1])
async def test_proposals_count_from_one(
    repos: ConfigRepositories, agent: Git, applied: Git, proposal: int
) -> None:
    commit = agent.commit()
    with pytest.raises(ValueError, match="begin at 1"):
        await repos.pin(AGENT, commit, proposal)
    assert not applied("tag")


@BOTH_WAYS
async def test_agents_are_served_side_by_side_and_each_in_turn(
    repos: ConfigRepositories, paths: Paths
) -> None:
    commits: dict[tuple[str, int], str] = {}
    for name in ("a", "b", "c"):
        await repos.create(name, FILES)
        for number in (1, 2, 3):
            commits[name, number] = Git(paths.agent(name).config).commit(x=f"{name}{number}")
    pinned: list[Pinned] = []

    async def pin(name: str, number: int, commit: str) -> None:
        pinned.append(await repos.pin(name, commit, number))

    async with trio.open_nursery() as nursery:
        for (name, number), commit in commits.items():
            nursery.start_soon(pin, name, number, commit)
    assert {(one.agent, one.proposal): one.commit for one in pinned} == commits
    for name in ("a", "b", "c"):
        tags = await repos.tags(name)
        assert {tag.proposal: tag.commit for tag in tags} == {
            n: commits[name, n] for n in (1, 2, 3)
        }


async def test_who_is_cancelled_leaves_nothing_behind(
    repos: ConfigRepositories, agent: Git, applied: Git
) -> None:
    commit = agent.commit(x="1")
    for cut in (0.005, 0.01, 0.02, 0.04):
        with trio.move_on_after(cut):
            await repos.pin(AGENT, commit, 1)
        assert not (applied.folder / "incoming").exists()
    assert (await repos.pin(AGENT, commit, 1)).commit == commit
    assert applied("fsck", "--strict") == ""
