"""The two configuration repositories of each agent: what is proposed, and what was pinned of it."""

import os
import re
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import trio
from attrs import frozen

from hive.config_repos.errors import BaseMoved, NoRepository, NotAHash, NotPinned
from hive.config_repos.proposals import (
    LIST_TREE,
    find_commit,
    find_objects,
    pack_commit,
    verify_pack,
)
from hive.config_repos.tree import MOST_BYTES, TreeEntry, check_tree, parse_entries
from hive.git import (
    EMPTY_TREE,
    MOST_MEMORY,
    GitOutputTooLong,
    escaped_line,
    identity,
    run_git,
)
from hive.paths import Paths, make_private
from hive.text import escaped

TagKind = Literal["proposal", "approved", "denied", "building", "deployed", "failed"]
MOST_DIFF = 256 << 10
MOST_REASON = 300

_LAYOUT = "\n\t"
"""What is not printable and still belongs to a diff."""

_MOST_TAGS = 64 << 20
_MOST_HEADS = 1 << 20
_FULL = re.compile(r"[0-9a-f]{40}")
_ASKED = re.compile(r"[0-9a-f]{7,40}")
_MAIN = "refs/heads/main"
_TAG = re.compile(r"([a-z]+)/([1-9][0-9]{0,17})")
_TAG_FORMAT = "%(refname:lstrip=2)%00%(*objectname)%00%(taggerdate:unix)%00%(contents:subject)"


@frozen
class Pinned:
    """A proposal that nobody can change any more.

    `commit` is its full hash, `base` what was deployed when it was pinned; None if nothing was.
    """

    agent: str
    proposal: int
    commit: str
    base: str | None


@frozen
class ConfigTag:
    """One step in the life of a proposal; `at` in epoch seconds, `reason` one printable line."""

    kind: TagKind
    proposal: int
    commit: str
    at: int
    reason: str


class ConfigRepositories:
    """Owner of the configuration repositories of all agents of one hive.

    `agents/NAME/config` has a work tree and belongs to the agent that proposes: it is read once for
    each proposal, and nothing in it is trusted. `applied/NAME` is the daemon's alone; all but `pin`
    asks only that. A pinned commit is stored with its tree and files, but without its history.

    Methods that change something may be called again after a kill at any point, with the same
    arguments. All raise GitError when git or the machine is the cause, and ValueError for what
    cannot be a name, a full hash, or the number of a proposal.
    """

    def __init__(
        self, paths: Paths, *, bwrap: str | None, now: Callable[[], float] = time.time
    ) -> None:
        """`bwrap` is the program that shuts git in while it reads proposals; None does without."""
        self._paths = paths
        self._bwrap = bwrap
        self._now = now
        self._locks: defaultdict[str, trio.Lock] = defaultdict(trio.Lock)

    async def create(self, agent: str, files: Mapping[str, bytes]) -> str:
        """Make what is missing of the agent's two repositories; returns its first commit.

        That commit has these files, on the branch `main`. What is there already stays as it is, and
        a repository of proposals that was lost is made again from what is deployed, or else from
        the first commit. Raises BadTree, OSError.
        """
        check_tree(_entries_of(files))
        async with self._locks[agent]:
            applied = self._paths.applied_config(agent)
            if not await trio.to_thread.run_sync(applied.is_dir):
                await self._create_applied(agent, files)
            first = await self.first(agent)
            proposals = self._paths.agent(agent).config
            if not await trio.to_thread.run_sync(_holds_something, proposals):
                await self._create_proposals(agent, await self.deployed(agent) or first)
            return first

    async def pin(self, agent: str, commit: str, proposal: int) -> Pinned:
        """Fetch a commit from the agent's proposals and tag it `proposal/N`; N is 1 or more.

        `commit` is a hash or at least its first 7 digits, never the name of a branch or a tag. The
        same proposal again gives what was pinned then, whatever the repository of proposals holds
        now. Raises NotAHash, NoRepository, NoSuchCommit, AmbiguousCommit, BadProposals, BadTree;
        NotPinned when the proposal is another commit's.
        """
        prefix = commit.lower()
        if not _ASKED.fullmatch(prefix):
            raise NotAHash(
                f"{escaped_line(commit, 60)!r} is not the hash of a commit: give 7 to 40 "
                "hexadecimal digits, as `git rev-parse HEAD` says them; names of branches and tags "
                "can move"
            )
        async with self._locks[agent]:
            self._existing(agent)
            tags = await self._read_tags(agent, f"proposal/{proposal}", "deployed")
            base = next((tag.commit for tag in reversed(tags) if tag.kind == "deployed"), None)
            pinned = next((tag.commit for tag in tags if tag.kind == "proposal"), None)
            if pinned is not None and not pinned.startswith(prefix):
                raise NotPinned(f"proposal {proposal} of {agent} is commit {pinned} already")
            if pinned is None:
                pinned = await self._fetch(agent, prefix)
                at = int(self._now())
                await self._write_tag(agent, "proposal", proposal, pinned, "pinned", at)
            return Pinned(agent, proposal, pinned, base)

    async def pin_again(self, agent: str, commit: str, proposal: int) -> None:
        """Pin a commit that was pinned before as another proposal, which is then `proposal/N`.

        The agent's proposals are not asked: they may no longer have it. Raises NoRepository;
        NotPinned for a commit that was not pinned, and when that proposal is another commit's.
        """
        async with self._locks[agent]:
            self._existing(agent)
            tags = await self._read_tags(agent, "proposal")
            there = next((t.commit for t in tags if t.proposal == proposal), None)
            if there == commit:
                return
            if there is not None or not any(t.commit == commit for t in tags):
                raise NotPinned(
                    f"commit {commit} cannot be pinned as proposal {proposal} of {agent}"
                )
            await self._write_tag(agent, "proposal", proposal, commit, "pinned", int(self._now()))

    async def unpin(self, agent: str, proposal: int) -> None:
        """Forget a proposal that came to nothing, and all of its commit that no other tag holds.

        Of one that was decided the commit stays. Raises NoRepository.
        """
        async with self._locks[agent]:
            self._existing(agent)
            name = f"refs/tags/proposal/{proposal}"
            for lock in (f"{name}.lock", "packed-refs.lock"):  # as in `_write_tag`
                await trio.Path(self._paths.applied_config(agent), lock).unlink(missing_ok=True)
            await self._git(agent, "update-ref", "-d", name)
            await self._git(agent, "prune", "--expire=now")

    async def tag(self, agent: str, kind: TagKind, proposal: int, commit: str, reason: str) -> None:
        """Record a step of a proposal as the tag `KIND/N`; if there is one, it stays as it is.

        Of `reason` one printable line is kept. Tags `deployed` never go back in time, whatever the
        clock says. Raises NoRepository; NotPinned unless `commit` was pinned as that proposal.
        """
        async with self._locks[agent]:
            self._existing(agent)
            wanted = (f"proposal/{proposal}", f"{kind}/{proposal}", "deployed")
            tags = await self._read_tags(agent, *wanted)
            if not any(
                (t.kind, t.proposal, t.commit) == ("proposal", proposal, commit) for t in tags
            ):
                raise NotPinned(f"commit {commit} was not pinned as proposal {proposal} of {agent}")
            if any((t.kind, t.proposal) == (kind, proposal) for t in tags):
                return
            last = max((t.at for t in tags if t.kind == "deployed"), default=0)
            at = max(int(self._now()), last + 1)
            await self._write_tag(agent, kind, proposal, commit, reason, at)

    async def tags(self, agent: str) -> tuple[ConfigTag, ...]:
        """All steps of all proposals, the oldest first; raises NoRepository."""
        self._existing(agent)
        return await self._read_tags(agent)

    async def deployed(self, agent: str) -> str | None:
        """The commit that was deployed last, or None; raises NoRepository."""
        self._existing(agent)
        tags = await self._read_tags(agent, "deployed")
        return tags[-1].commit if tags else None

    async def first(self, agent: str) -> str:
        """The commit with which the agent's configuration began; raises NoRepository."""
        self._existing(agent)
        return (await self._git(agent, "rev-parse", "--verify", _MAIN)).decode().strip()

    async def check_base(self, agent: str, base: str | None) -> None:
        """Check that a Pinned's base is still what is deployed; raises BaseMoved, NoRepository."""
        deployed = await self.deployed(agent)
        if deployed != base:
            raise BaseMoved(
                f"the proposal was made when {base or 'nothing'} was deployed for {agent}, and now "
                f"{deployed or 'nothing'} is: look at the difference again"
            )

    async def files(self, agent: str, commit: str, *paths: str) -> dict[str, bytes]:
        """The files of a pinned commit by their paths: all, or those of `paths` that it has.

        `commit` is a full hash. Raises NoRepository.
        """
        self._existing(agent)
        listing = await self._git(agent, *LIST_TREE, _full(commit))
        wanted = [
            entry
            for entry in parse_entries(listing)
            if entry.is_file and (not paths or entry.path in paths)
        ]
        asked = "".join(f"{entry.hash}\n" for entry in wanted).encode()
        most = MOST_BYTES + _MOST_HEADS
        answer = await self._git(agent, "cat-file", "--batch", data=asked, most=most)
        found = {}
        for entry in wanted:
            head, _, answer = answer.partition(b"\n")
            size = int(head.split()[2])
            found[entry.path] = answer[:size]
            answer = answer[size + 1 :]
        return found

    async def diff(self, agent: str, old: str | None, new: str) -> str:
        """The changes from one pinned commit to another as a unified diff; None is no files at all.

        Both are full hashes. Every file is shown as text, and what could drive a terminal or
        deceive the reader as an escape; for HTML it must still be escaped. After MOST_DIFF bytes it
        is cut, and its last line says so. Raises NoRepository.
        """
        self._existing(agent)
        trees = (EMPTY_TREE if old is None else _full(old), _full(new))
        options = ("--text", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames")
        try:
            data = await self._git(
                agent, "diff-tree", "-p", "-r", *options, "--end-of-options", *trees, most=MOST_DIFF
            )
        except GitOutputTooLong as error:
            begin = error.begin.rpartition(b"\n")[0].decode(errors="backslashreplace")
            end = f"cut here: the difference has more than {MOST_DIFF} bytes"
            more = f"[{end}; see all of it with git diff {trees[0]} {trees[1]}]"
            return f"{escaped(begin, keep=_LAYOUT)}\n{more}\n"
        return escaped(data.decode(errors="backslashreplace"), keep=_LAYOUT)

    async def remove(self, agent: str) -> None:
        """Remove both repositories with all that was ever pinned; raises OSError."""
        async with self._locks[agent]:
            for folder in (self._paths.applied_config(agent), self._paths.agent(agent).config):
                await trio.to_thread.run_sync(_remove, folder)

    # --- applied/NAME --------------------------------------------------------------------------

    def _existing(self, agent: str) -> None:
        if not self._paths.applied_config(agent).is_dir():
            raise NoRepository(f"{agent} has no configuration repository: spawn it first")

    async def _git(
        self,
        agent: str,
        *arguments: str,
        data: bytes = b"",
        extra: Mapping[str, str] | None = None,
        most: int = _MOST_HEADS,
    ) -> bytes:
        folder = self._paths.applied_config(agent)
        return await run_git(folder, *arguments, data=data, extra=extra, most=most)

    async def _create_applied(self, agent: str, files: Mapping[str, bytes]) -> None:
        applied = self._paths.applied_config(agent)
        new = _beside(applied, "new")
        await trio.to_thread.run_sync(_fresh, new)
        await run_git(new, "init", "--quiet", "--bare", "--template=", "--initial-branch=main")
        at = int(self._now())
        await run_git(new, "fast-import", "--quiet", data=_first_commit(files, at))
        await trio.to_thread.run_sync(_put, new, applied)

    async def _create_proposals(self, agent: str, commit: str) -> None:
        proposals = self._paths.agent(agent).config
        new = _beside(proposals, "new")
        git = new / ".git"
        await trio.to_thread.run_sync(_fresh, new)
        tree = {"GIT_WORK_TREE": str(new)}
        await run_git(git, "init", "--quiet", "--template=", "--initial-branch=main", extra=tree)
        copy = partial(_copy_objects, self._paths.applied_config(agent), git)
        await trio.to_thread.run_sync(copy)
        await run_git(git, "update-ref", _MAIN, commit)
        await run_git(git, "reset", "--quiet", "--hard", extra=tree)
        await trio.to_thread.run_sync(_put, new, proposals)

    async def _fetch(self, agent: str, prefix: str) -> str:
        """Bring the commit that begins so from the proposals into applied/NAME; its full hash."""
        applied = self._paths.applied_config(agent)
        own = applied / "incoming"
        folder = self._paths.agent(agent).base
        objects = await trio.to_thread.run_sync(find_objects, agent, folder)
        try:
            await trio.to_thread.run_sync(_fresh_git_folder, own)
            commit = await find_commit(objects, prefix, own, self._bwrap)
            pack = await pack_commit(objects, commit, own, self._bwrap)
            await verify_pack(objects, commit, pack, own)
        finally:
            _remove(own)
        await trio.to_thread.run_sync(_add_shallow, applied, commit.hash)
        await run_git(applied, "unpack-objects", "-q", data=pack, memory=MOST_MEMORY)
        return commit.hash

    async def _write_tag(
        self, agent: str, kind: TagKind, proposal: int, commit: str, reason: str, at: int
    ) -> None:
        if proposal < 1:
            raise ValueError(f"{proposal} is not the number of a proposal: they begin at 1")
        message = escaped_line(reason, MOST_REASON) or kind
        name = f"{kind}/{proposal}"
        options = ("--annotate", "--file=-", "--cleanup=verbatim")
        # Nobody else writes here, so a lock is one that a git has left which was killed.
        lock = trio.Path(self._paths.applied_config(agent), "refs", "tags", f"{name}.lock")
        await lock.unlink(missing_ok=True)
        await self._git(
            agent, "tag", *options, "--", name, commit, data=message.encode(), extra=_identity(at)
        )

    async def _read_tags(self, agent: str, *names: str) -> tuple[ConfigTag, ...]:
        """The tags that are or are below one of the names, or all, the oldest first."""
        patterns = [f"refs/tags/{name}" for name in names or ("",)]
        said = await self._git(
            agent, "for-each-ref", f"--format={_TAG_FORMAT}", "--", *patterns, most=_MOST_TAGS
        )
        lines = said.decode(errors="backslashreplace").split("\n")[:-1]
        tags = [tag for line in lines if (tag := _parse_tag(line)) is not None]
        return tuple(sorted(tags, key=_order))


def _parse_tag(line: str) -> ConfigTag | None:
    """None for a tag of somebody else's making."""
    name, commit, at, reason = line.split("\0")
    found = _TAG.fullmatch(name)
    kind = next((kind for kind in get_args(TagKind) if found and kind == found[1]), None)
    if found is None or kind is None or not commit:
        return None
    return ConfigTag(kind, int(found[2]), commit, int(at), reason)


def _order(tag: ConfigTag) -> tuple[int, int, int]:
    return tag.at, tag.proposal, get_args(TagKind).index(tag.kind)


def _identity(at: int) -> dict[str, str]:
    return identity("Hyperhive", "hive@localhost", at)


def _full(commit: str) -> str:
    if not _FULL.fullmatch(commit):
        raise ValueError(f"{commit!r} is not the full hash of a commit")
    return commit


def _entries_of(files: Mapping[str, bytes]) -> Iterable[TreeEntry]:
    return [TreeEntry("100644", "", len(content), path) for path, content in files.items()]


def _first_commit(files: Mapping[str, bytes], at: int) -> bytes:
    """What `git fast-import` takes for a commit of these files on main."""
    message = b"The first configuration\n"
    parts = [
        f"commit {_MAIN}\ncommitter Hyperhive <hive@localhost> {at} +0000\n".encode(),
        b"data %d\n%b" % (len(message), message),
    ]
    for path, content in files.items():
        quoted = path.replace("\\", "\\\\").replace('"', '\\"')
        parts.append(
            f'M 100644 inline "{quoted}"\ndata {len(content)}\n'.encode() + content + b"\n"
        )
    return b"".join(parts)


# --- folders of the daemon's own (all of these block) -------------------------------------------


def _beside(folder: Path, what: str) -> Path:
    return folder.with_name(f".{folder.name}.{what}")


def _holds_something(folder: Path) -> bool:
    return os.path.lexists(folder) and not (
        folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())
    )


def _fresh(folder: Path) -> None:
    """Make an empty folder, in the place of what an interrupted call has left."""
    make_private(folder.parent)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)


def _fresh_git_folder(folder: Path) -> None:
    """Make a git directory without objects, references and configuration."""
    _fresh(folder)
    (folder / "HEAD").write_text(f"ref: {_MAIN}\n")
    (folder / "objects").mkdir()
    (folder / "refs").mkdir()


def _copy_objects(source: Path, target: Path) -> None:
    shutil.copytree(source / "objects", target / "objects", dirs_exist_ok=True)
    if (source / "shallow").exists():
        shutil.copyfile(source / "shallow", target / "shallow")


def _put(new: Path, place: Path) -> None:
    """Move a folder that is whole to its place, so that no crash of the machine leaves a part."""
    for path in (new, *new.rglob("*")):
        _sync(path)
    new.rename(place)
    _sync(place.parent)


def _add_shallow(folder: Path, commit: str) -> None:
    """Tell git that the history before this commit is not there."""
    file = folder / "shallow"
    known = file.read_text().split() if file.exists() else []
    if commit in known:
        return
    new = folder / "shallow.new"
    new.write_text("".join(f"{one}\n" for one in (*known, commit)))
    _sync(new)
    new.rename(file)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _remove(folder: Path) -> None:
    """Remove a folder: at once from its place, so that a part is never taken for the whole."""
    gone = _beside(folder, "gone")
    _remove_tree(gone)
    if os.path.lexists(folder):
        folder.rename(gone)
        _remove_tree(gone)


def _remove_tree(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
