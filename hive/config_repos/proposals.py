"""Reading a repository of proposals, every byte of which an agent may have written.

Its folder of objects is the only part that is looked at. Git reads it with a git directory of the
daemon's, so that no configuration, hook, reference, replacement or graft of the agent's exists for
it; and inside of bubblewrap, where nothing but the system and that folder can be seen, read-only
and without a network. So links and borrowed objects that appear while git reads lead nowhere, and a
git that a prepared object takes over finds nothing. That the folder which bubblewrap shows is the
one that was checked is compared inside, after the mount.

Without bubblewrap the same checks are made, but a link that appears between check and reading is
followed. So it is left out only where agents run without isolation anyway.
"""

import itertools
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import trio
from attrs import frozen

from hive.beneath import open_folder
from hive.config_repos.errors import (
    AmbiguousCommit,
    BadProposals,
    BadTree,
    NoRepository,
    NoSuchCommit,
)
from hive.config_repos.tree import (
    MOST_BYTES,
    TreeEntry,
    check_tree,
    parse_entries,
    too_many_entries,
)
from hive.containers import System
from hive.git import (
    MOST_MEMORY,
    GitFailed,
    GitOutputTooLong,
    GitTimedOut,
    GitUnavailable,
    git_environment,
    run_git,
    run_program,
)

MOST_OBJECT_FILES = 100_000
MOST_PACK = 2 * MOST_BYTES
MOST_COMMIT = 65536
"""Bytes of a commit itself, most of which are its message."""

WITHIN = 10.0
_MOST_LISTING = 1 << 20
_MOST_CPU_S = 10
_MISSING, _SWAPPED = 65, 66
_DEPTH = 2
"""Of folders among the objects; git looks no deeper."""

_GUARD = (
    f"ulimit -v {MOST_MEMORY // 1024} && ulimit -t {_MOST_CPU_S} || exit\n"
    f'[ "$(stat -L -c %d:%i "$GIT_OBJECT_DIRECTORY")" = "$1" ] || exit {_SWAPPED}\n'
)
_FIND = r"""
found=$(printf '%s^{commit}\n%s^{tree}\n' "$2" "$2" |
    git cat-file --batch-check='%(objectname) %(objectsize)') || exit
case $found in *missing*) exit $3 ;; esac
printf '%s\n' "$found"
exec git ls-tree -r -t -l -z --full-tree --end-of-options "$2^{commit}"
"""
_FOUND = re.compile(rb"([0-9a-f]{40}) ([0-9]+)\n([0-9a-f]{40}) [0-9]+\n(.*)", re.DOTALL)
LIST_TREE = ("ls-tree", "-r", "-t", "-l", "-z", "--full-tree", "--end-of-options")
_PACK = """
exec git pack-objects -q --stdout --window=0 --no-reuse-delta
"""


@frozen
class ObjectFolder:
    """The objects of agent `agent`'s proposals; `place` is device and inode of the folder."""

    agent: str
    path: Path
    place: str


@frozen
class FoundCommit:
    """A commit in a repository of proposals: its full hash, that of its tree, and what it holds."""

    hash: str
    tree: str
    entries: tuple[TreeEntry, ...]


def find_objects(agent: str, folder: Path) -> ObjectFolder:
    """Find the objects of the repository `folder`/config (blocks).

    `folder` is the daemon's own, all beneath it untrusted. Raises NoRepository; BadProposals when a
    link, a loan from another repository or something else that is no plain file is among it.
    """
    if not os.path.lexists(folder / "config"):
        raise NoRepository(f"{agent} has no configuration repository: spawn it first")
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in ("config", ".git", "objects"):
            try:
                inner = open_folder(part, dir_fd=opened)
            except OSError:
                raise BadProposals(
                    f"{part!r} in the configuration repository of {agent} is not a folder: make it "
                    "a plain git repository again, without links and worktrees"
                ) from None
            os.close(opened)
            opened = inner
        _check_files(agent, opened, itertools.count(1))
        found = os.fstat(opened)
    except OSError as error:
        raise BadProposals(
            f"the configuration repository of {agent} cannot be read: {error}"
        ) from None
    finally:
        os.close(opened)
    path = folder / "config" / ".git" / "objects"
    return ObjectFolder(agent, path, f"{found.st_dev}:{found.st_ino}")


def _check_files(agent: str, folder: int, seen: Iterator[int], depth: int = 0) -> None:
    """Refuse what git would follow to somewhere else, or wait for."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if next(seen) > MOST_OBJECT_FILES:
                raise BadProposals(
                    f"the configuration repository of {agent} has more than {MOST_OBJECT_FILES} "
                    "files of objects: run `git gc` in it"
                )
            if entry.name == "alternates":
                raise BadProposals(
                    f"the configuration repository of {agent} borrows objects from another: run "
                    "`git repack -a -d` in it, then remove .git/objects/info/alternates"
                )
            if entry.is_file(follow_symlinks=False):
                continue
            if not entry.is_dir(follow_symlinks=False):
                raise BadProposals(
                    f"the objects of the configuration repository of {agent} have a link or "
                    f"special file, {entry.name!a}: put a plain copy in its place"
                )
            if depth < _DEPTH:
                inner = open_folder(entry.name, dir_fd=folder)
                try:
                    _check_files(agent, inner, seen, depth + 1)
                finally:
                    os.close(inner)


async def find_commit(
    objects: ObjectFolder, prefix: str, own: Path, bwrap: str | None
) -> FoundCommit:
    """Find the one commit whose hash begins with `prefix` (hexadecimal), and check what it holds.

    `own` is a git directory of the daemon's without references. Nothing large is unpacked: sizes
    are read from the heads of objects. Raises NoSuchCommit, AmbiguousCommit, BadProposals, BadTree,
    and GitUnavailable.
    """
    try:
        said = await _read(objects, _FIND, own, bwrap, prefix, str(_MISSING), most=_MOST_LISTING)
    except GitOutputTooLong:
        raise too_many_entries() from None
    except GitFailed as error:
        if "is ambiguous" in error.said:
            text = f"several commits begin with {prefix}: give the full hash"
            raise AmbiguousCommit(text) from None
        if error.status == _MISSING and (not error.said or "expected commit" in error.said):
            raise _no_commit(objects, prefix) from None
        raise _unreadable(objects, error) from None
    found = _FOUND.fullmatch(said)
    if found is None:
        raise _unreadable(objects, "it has no tree")
    full, size, tree, listing = found[1].decode(), int(found[2]), found[3].decode(), found[4]
    if not full.startswith(prefix):  # that of an annotated tag, which leads to a commit
        raise _no_commit(objects, prefix)
    if size > MOST_COMMIT:
        raise BadTree(
            f"the commit itself has {size} bytes, at most {MOST_COMMIT} are allowed: shorten its "
            "message"
        )
    entries = parse_entries(listing)
    check_tree(entries)
    return FoundCommit(full, tree, entries)


async def pack_commit(
    objects: ObjectFolder, commit: FoundCommit, own: Path, bwrap: str | None
) -> bytes:
    """Return a pack of exactly this commit, its folders and files, each whole.

    Raises BadProposals when they cannot be read, and GitUnavailable.
    """
    hashes = dict.fromkeys((commit.hash, commit.tree, *(entry.hash for entry in commit.entries)))
    wanted = "".join(f"{one}\n" for one in hashes).encode()
    try:
        return await _read(objects, _PACK, own, bwrap, data=wanted, most=MOST_PACK)
    except (GitFailed, GitOutputTooLong) as error:
        raise _unreadable(objects, error) from None


async def verify_pack(objects: ObjectFolder, commit: FoundCommit, pack: bytes, own: Path) -> None:
    """Unpack into the git directory `own`, and check anew what has really come.

    Every object is checked by git's own rules (fsck), and that none is missing but the commit's
    parents. Raises BadTree, BadProposals, and GitError when the machine is the cause.
    """
    await trio.Path(own, "shallow").write_text(f"{commit.hash}\n")
    index = ("index-pack", "--strict", "--stdin", f"--max-input-size={MOST_PACK}")
    try:
        # Nothing here is to outlast a crash.
        words = ("-c", "core.fsync=none", *index)
        await run_git(own, *words, data=pack, within=WITHIN, memory=MOST_MEMORY)
        listing = await run_git(own, *LIST_TREE, commit.hash, within=WITHIN, most=_MOST_LISTING)
    except GitFailed as error:
        if "No space left" in error.said:
            raise
        raise BadTree(f"git refuses the objects of commit {commit.hash}: {error.said}") from None
    except GitTimedOut as error:
        raise _unreadable(objects, error) from None
    check_tree(parse_entries(listing))


async def _read(
    objects: ObjectFolder,
    script: str,
    own: Path,
    bwrap: str | None,
    *arguments: str,
    data: bytes = b"",
    most: int,
) -> bytes:
    """Raises GitFailed, GitOutputTooLong, GitUnavailable, BadProposals."""
    environment = git_environment(own) | {"GIT_OBJECT_DIRECTORY": str(objects.path)}
    argv = ("sh", "-c", _GUARD + script, "sh", objects.place, *arguments)
    if bwrap is not None:
        environment |= {"GIT_DIR": "/own", "GIT_OBJECT_DIRECTORY": "/objects"}
        argv = (*sandbox(bwrap, {objects.path: "/objects", own: "/own"}), *argv)
    what = "git, reading proposals"
    try:
        return await run_program(argv, environment, what, data=data, within=WITHIN, most=most)
    except GitTimedOut as error:
        raise _unreadable(objects, error) from None
    except GitFailed as error:
        if error.said.startswith("bwrap: "):
            raise GitUnavailable(f"git cannot be run in a sandbox: {error.said}") from None
        if error.status == _SWAPPED:
            raise BadProposals(
                f"the objects of {objects.agent} were replaced while they were read: try again"
            ) from None
        raise


def sandbox(bwrap: str, shown: Mapping[Path, str]) -> tuple[str, ...]:
    """The words before a command that sees only the system and `shown`, all of it read-only.

    `shown` maps folders of the host to their places. The command has no network and no capability,
    sees no other process, and stays in its process group.
    """
    argv = [bwrap, "--unshare-all", "--unshare-user", "--cap-drop", "ALL"]
    system = System.of_host()
    for folder in system.folders:
        argv += ["--ro-bind", folder, folder]
    for link, target in system.links:
        argv += ["--symlink", target, link]
    argv += ["--dev", "/dev"]
    for source, place in shown.items():
        argv += ["--ro-bind", str(source), place]
    return (*argv, "--remount-ro", "/", "--chdir", "/", "--")


def _no_commit(objects: ObjectFolder, prefix: str) -> NoSuchCommit:
    return NoSuchCommit(
        f"no commit of the configuration repository of {objects.agent} has the hash {prefix}: "
        "commit there, and give what `git rev-parse HEAD` says"
    )


def _unreadable(objects: ObjectFolder, error: object) -> BadProposals:
    return BadProposals(
        f"the commit cannot be read from the configuration repository of {objects.agent}: {error}; "
        "run `git fsck` in it"
    )
