"""Repositories of proposals that were made to mislead whoever reads them."""

import hashlib
import os
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio
from config_repos.conftest import AGENT, BOTH_WAYS, FILES
from support.plain_git import Git

from hive.config_repos import (
    BadProposals,
    BadTree,
    ConfigRepoError,
    ConfigRepositories,
    NoSuchCommit,
)
from hive.config_repos.proposals import find_commit, find_objects
from hive.paths import Paths


@pytest.fixture
def marker(tmp_path: Path) -> Iterator[Path]:
    """A file that is there as soon as anything of a repository was run."""
    yield tmp_path / "was-run"
    assert not (tmp_path / "was-run").exists()


@pytest.fixture
def secret(agent: Git, paths: Paths) -> Git:
    """A repository that the agent must not reach, with a commit that it has heard of."""
    secret = Git(paths.agent("secret").config)
    secret.commit(**{"password.txt": "of somebody else"})
    return secret


def everything_that_runs_something(agent: Git, marker: Path, secret: Path) -> None:
    program = f"touch {marker}"
    for hook in (
        "post-checkout", "post-commit", "post-index-change", "pre-auto-gc", "reference-transaction",
        "post-update", "pre-receive", "fsmonitor-watchman", "proc-receive", "post-rewrite",
    ):  # fmt: skip
        agent.write(f".git/hooks/{hook}", f"#!/bin/sh\n{program}\n")
        (agent.folder / ".git/hooks" / hook).chmod(0o755)
    agent.write(
        ".git/config",
        f"""
        [core]
            repositoryformatversion = 1
            bare = false
            fsmonitor = {program}
            sshCommand = {program}
            worktree = {secret}
            hooksPath = {agent.folder}/.git/hooks
            editor = {program}
            pager = {program}
            alternateRefsCommand = {program}
            gitProxy = {program}
        [include]
            path = {secret}/.git/config
        [extensions]
            partialClone = origin
        [remote "origin"]
            url = "ext::{program}"
            promisor = true
            uploadpack = {program}
        [filter "x"]
            smudge = {program}
            clean = {program}
            process = {program}
        [diff "x"]
            textconv = {program}
            command = {program}
        [gc]
            auto = 1
        [uploadpack]
            packObjectsHook = {program}
        [pack]
            packSizeLimit = 1
        """,
    )
    agent.write(".git/info/attributes", "* filter=x diff=x\n")


@BOTH_WAYS
async def test_nothing_of_a_repository_is_run_or_believed(
    repos: ConfigRepositories, agent: Git, secret: Git, marker: Path
) -> None:
    files = {".gitattributes": "* filter=x diff=x -text\nrole.md -diff\n", "role.md": "hidden?\n"}
    commit = agent.commit(**files)
    everything_that_runs_something(agent, marker, secret.folder)
    pinned = await repos.pin(AGENT, commit, 1)
    await repos.tag(AGENT, "deployed", 1, commit, "")
    assert (await repos.files(AGENT, commit))["role.md"] == b"hidden?\n"
    assert "+hidden?\n" in await repos.diff(AGENT, None, pinned.commit)
    shutil.rmtree(agent.folder)
    await repos.create(AGENT, FILES)  # checks out what was deployed
    assert (agent.folder / "role.md").read_text() == "hidden?\n"


async def test_what_a_promisor_has_promised_is_missing(
    repos: ConfigRepositories, agent: Git, secret: Git, marker: Path
) -> None:
    commit = agent.commit(**{"role.md": "promised"})
    blob = agent("rev-parse", f"{commit}:role.md")
    everything_that_runs_something(agent, marker, secret.folder)
    (agent.folder / ".git/objects" / blob[:2] / blob[2:]).unlink()
    agent.write(".git/objects/pack/pack-1.promisor", "")
    with pytest.raises(BadTree, match=r"content of role\.md is missing"):
        await repos.pin(AGENT, commit, 1)


def _replaced(agent: Git, commit: str, other: str) -> None:
    agent("replace", commit, other)


def _grafted(agent: Git, commit: str, other: str) -> None:
    agent.write(".git/info/grafts", f"{commit} {other}\n")


def _shallow(agent: Git, commit: str, other: str) -> None:
    agent.write(".git/shallow", f"{commit}\n")


def _cached(agent: Git, commit: str, other: str) -> None:
    agent("repack", "-a", "-d", "--quiet", "--write-bitmap-index")
    agent("multi-pack-index", "write")
    agent("commit-graph", "write", "--reachable")
    graph = agent.folder / ".git/objects/info/commit-graph"
    graph.chmod(0o644)
    content = graph.read_bytes()
    tree = [bytes.fromhex(agent("rev-parse", f"{one}^{{tree}}")) for one in (commit, other)]
    assert tree[0] in content
    graph.write_bytes(content.replace(*tree))


@BOTH_WAYS
@pytest.mark.parametrize("mislead", [_replaced, _grafted, _shallow, _cached])
async def test_a_commit_is_what_its_hash_says(
    repos: ConfigRepositories, agent: Git, mislead: Callable[[Git, str, str], None]
) -> None:
    other = agent.commit(**{"role.md": "what git would rather show"})
    commit = agent.commit(**{"role.md": "what the hash says"})
    mislead(agent, commit, other)
    await repos.pin(AGENT, commit, 1)
    assert (await repos.files(AGENT, commit))["role.md"] == b"what the hash says"


def _config_is_a_link(agent: Git, secret: Git) -> None:
    shutil.rmtree(agent.folder)
    agent.folder.symlink_to(secret.folder)


def _dot_git_is_a_link(agent: Git, secret: Git) -> None:
    shutil.rmtree(agent.folder / ".git")
    (agent.folder / ".git").symlink_to(secret.folder / ".git")


def _dot_git_is_a_file(agent: Git, secret: Git) -> None:
    shutil.rmtree(agent.folder / ".git")
    agent.write(".git", f"gitdir: {secret.folder}/.git\n")


def _common_folder(agent: Git, secret: Git) -> None:
    agent.write(".git/commondir", f"{secret.folder}/.git\n")


def _objects_are_a_link(agent: Git, secret: Git) -> None:
    shutil.rmtree(agent.folder / ".git/objects")
    (agent.folder / ".git/objects").symlink_to(secret.folder / ".git/objects")


def _folders_are_links(agent: Git, secret: Git) -> None:
    for folder in (secret.folder / ".git/objects").iterdir():
        place = agent.folder / ".git/objects" / folder.name
        shutil.rmtree(place, ignore_errors=True)
        place.symlink_to(folder)


def _files_are_links(agent: Git, secret: Git) -> None:
    for file in (secret.folder / ".git/objects").glob("*/*"):
        place = agent.folder / ".git/objects" / file.relative_to(secret.folder / ".git/objects")
        place.parent.mkdir(exist_ok=True)
        if not place.exists():
            place.symlink_to(file)


def _packs_are_links(agent: Git, secret: Git) -> None:
    secret("repack", "-a", "-d", "--quiet")
    _files_are_links(agent, secret)


def _alternates(agent: Git, secret: Git) -> None:
    agent.write(".git/objects/info/alternates", f"{secret.folder}/.git/objects\n")


def _relative_alternates(agent: Git, secret: Git) -> None:
    agent.write(".git/objects/info/alternates", "../../../../secret/config/.git/objects\n")


def _info_is_a_link(agent: Git, secret: Git) -> None:
    shutil.rmtree(agent.folder / ".git/objects/info", ignore_errors=True)
    agent.write("info/alternates", f"{secret.folder}/.git/objects\n")
    (agent.folder / ".git/objects/info").symlink_to(agent.folder / "info")


LEADS_OUT = [
    _config_is_a_link, _dot_git_is_a_link, _dot_git_is_a_file, _common_folder, _objects_are_a_link,
    _folders_are_links, _files_are_links, _packs_are_links, _alternates, _relative_alternates,
    _info_is_a_link,
]  # fmt: skip


@BOTH_WAYS
@pytest.mark.parametrize("lead_out", LEADS_OUT)
async def test_no_link_and_no_loan_leads_to_another_repository(
    repos: ConfigRepositories,
    agent: Git,
    secret: Git,
    applied: Git,
    lead_out: Callable[[Git, Git], None],
) -> None:
    commit = secret("rev-parse", "HEAD")
    lead_out(agent, secret)
    if lead_out is not _common_folder:
        assert agent("cat-file", "-t", commit, check=False) == "commit"  # the trap works
    with pytest.raises((BadProposals, NoSuchCommit)) as refused:
        await repos.pin(AGENT, commit, 1)
    assert str(refused.value).isprintable()
    assert not applied("tag")
    assert not applied("cat-file", "-t", commit, check=False)


@pytest.mark.parametrize("lead_out", [_folders_are_links, _alternates, _packs_are_links])
async def test_what_leads_out_after_the_check_leads_nowhere(
    agent: Git, secret: Git, paths: Paths, tmp_path: Path, lead_out: Callable[[Git, Git], None]
) -> None:
    """What bubblewrap is for: the agent goes on while its repository is read."""
    commit = secret("rev-parse", "HEAD")
    objects = find_objects(AGENT, paths.agent(AGENT).base)
    lead_out(agent, secret)
    own = tmp_path / "own"
    for folder in ("objects", "refs"):
        (own / folder).mkdir(parents=True)
    (own / "HEAD").write_text("ref: refs/heads/main\n")
    assert (await find_commit(objects, commit, own, None)).hash == commit  # the trap works
    with pytest.raises((NoSuchCommit, BadProposals)):
        await find_commit(objects, commit, own, "bwrap")


@pytest.mark.parametrize("bwrap", ["bwrap", None])
async def test_objects_that_are_replaced_after_the_check_are_noticed(
    agent: Git, secret: Git, paths: Paths, tmp_path: Path, bwrap: str | None
) -> None:
    objects = find_objects(AGENT, paths.agent(AGENT).base)
    (agent.folder / ".git/objects").rename(agent.folder / "former")
    (agent.folder / ".git/objects").symlink_to(secret.folder / ".git/objects")
    with pytest.raises(BadProposals, match="were replaced while they were read"):
        await find_commit(objects, secret("rev-parse", "HEAD"), tmp_path, bwrap)


@pytest.mark.parametrize("place", ["ab", "pack/pack-1.pack", "info/commit-graph"])
async def test_a_pipe_among_the_objects_is_refused_not_waited_for(
    repos: ConfigRepositories, agent: Git, place: str
) -> None:
    commit = agent.commit()
    (agent.folder / ".git/objects" / place).parent.mkdir(exist_ok=True)
    os.mkfifo(agent.folder / ".git/objects" / place)
    with trio.fail_after(10), pytest.raises(BadProposals, match="a link or special file"):
        await repos.pin(AGENT, commit, 1)


async def test_folders_within_folders_are_no_burden(repos: ConfigRepositories, agent: Git) -> None:
    commit = agent.commit()
    (agent.folder / ".git/objects/ab" / "/".join("x" * 200)).mkdir(parents=True)
    assert (await repos.pin(AGENT, commit, 1)).commit == commit


def _cut(agent: Git, one: str) -> None:
    file = agent.folder / ".git/objects" / one[:2] / one[2:]
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-4])


def _swap(agent: Git, one: str, content: bytes) -> None:
    file = agent.folder / ".git/objects" / one[:2] / one[2:]
    file.chmod(0o600)
    file.write_bytes(zlib.compress(content))


@pytest.mark.parametrize(
    "name", ["HEAD", "HEAD^{tree}", "HEAD:role.md"], ids=["commit", "tree", "file"]
)
@pytest.mark.parametrize(
    "harm",
    [
        _cut,
        lambda agent, one: _swap(agent, one, b"blob 1\0" + bytes(20 << 20)),  # more than it says
        lambda agent, one: _swap(agent, one, b"blob 99\0x"),  # less than it says
        lambda agent, one: _swap(agent, one, b"blob 8\0not that"),  # another one
        lambda agent, one: _swap(agent, one, b"tree 99999999999999\0"),
        lambda agent, one: _swap(agent, one, b""),
    ],
    ids=["cut", "longer", "shorter", "another", "huge", "empty"],
)
async def test_broken_objects_are_refused(
    repos: ConfigRepositories,
    agent: Git,
    applied: Git,
    harm: Callable[[Git, str], None],
    name: str,
) -> None:
    commit = agent.commit(**{"role.md": "something"})
    harm(agent, agent("rev-parse", name))
    with trio.fail_after(20), pytest.raises(ConfigRepoError) as refused:
        await repos.pin(AGENT, commit, 1)
    assert str(refused.value).isprintable()
    assert not applied("tag")
    assert not applied("fsck", "--unreachable")


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _head(kind: int, size: int) -> bytes:
    first, rest = (kind << 4) | (size & 15), size >> 4
    return bytes([first | 0x80]) + _varint(rest) if rest else bytes([first])


def delta_bomb(levels: int, claimed: int | None) -> tuple[bytes, bytes, str]:
    """A pack, its index, and the name of its last object: each level is 255 times the one below.

    `claimed` is the size that the last one gives itself; None is the true one.
    """
    size, offset = 65535, 12
    entries = [_head(3, size) + zlib.compress(bytes(size))]
    offsets = [offset]
    for level in range(levels):
        at = offsets[-1] + len(entries[-1])
        result = size * 255
        said = claimed if claimed is not None and level == levels - 1 else result
        copy = (
            b"\xb0\xff\xff" if size == 65535 else b"\xf0" + (size & 0xFFFFFF).to_bytes(3, "little")
        )
        delta = _varint(size) + _varint(said) + copy * 255
        back = at - offsets[-1]
        distance = bytes([back & 0x7F])
        back >>= 7
        while back:
            back -= 1
            distance = bytes([0x80 | (back & 0x7F)]) + distance
            back >>= 7
        entries.append(_head(6, len(delta)) + distance + zlib.compress(delta))
        offsets.append(at)
        size = result
    body = b"PACK" + struct.pack(">II", 2, len(entries)) + b"".join(entries)
    pack = body + hashlib.sha1(body).digest()
    names = [bytes([level + 1]) * 20 for level in range(len(entries))]
    index = b"\xfftOc" + struct.pack(">I", 2)
    index += b"".join(struct.pack(">I", min(byte, len(names))) for byte in range(256))
    index += b"".join(names)
    index += b"".join(struct.pack(">I", zlib.crc32(one)) for one in entries)
    index += b"".join(struct.pack(">I", one) for one in offsets)
    index += pack[-20:]
    return pack, index + hashlib.sha1(index).digest(), names[-1].hex()


@pytest.mark.parametrize(
    ("levels", "claimed", "kind", "words"),
    [
        (1, None, BadTree, "largest is zz with 16711425"),
        (3, None, BadTree, "largest is zz with"),
        (2, 100, BadProposals, "cannot be read"),
        (1, 100, BadProposals, "cannot be read"),
    ],
)
async def test_a_bomb_of_deltas_is_refused(
    repos: ConfigRepositories,
    agent: Git,
    applied: Git,
    levels: int,
    claimed: int | None,
    kind: type[ConfigRepoError],
    words: str,
) -> None:
    pack, index, name = delta_bomb(levels, claimed)
    agent.write(".git/objects/pack/pack-1.pack", pack)
    agent.write(".git/objects/pack/pack-1.idx", index)
    entry_point = (b"100644", b"agent.toml", agent.blob(b"x"))
    commit = agent.commit_tree(agent.tree(entry_point, (b"100644", b"zz", name)))
    with trio.fail_after(20), pytest.raises(kind, match=words):
        await repos.pin(AGENT, commit, 1)
    assert not applied("tag")


async def test_a_repository_with_other_hashes_is_refused(
    repos: ConfigRepositories, agent: Git, paths: Paths
) -> None:
    shutil.rmtree(agent.folder / ".git")
    agent("init", "--quiet", "--object-format=sha256")
    commit = agent.commit()
    with pytest.raises(ConfigRepoError):
        await repos.pin(AGENT, commit[:40], 1)


@pytest.mark.parametrize("harm", ["objects", ".git", "HEAD"])
async def test_a_repository_that_is_half_there_is_refused_in_words(
    repos: ConfigRepositories, agent: Git, harm: str
) -> None:
    commit = agent.commit()
    if harm == "HEAD":
        (agent.folder / ".git/HEAD").unlink()  # git would not take it for a repository any more
        assert (await repos.pin(AGENT, commit, 1)).commit == commit
        return
    shutil.rmtree(agent.folder / (".git" if harm == ".git" else ".git/objects"))
    with pytest.raises(BadProposals, match=f"'{harm}' in the configuration repository of {AGENT}"):
        await repos.pin(AGENT, commit, 1)
