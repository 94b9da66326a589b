"""What a commit of a configuration may hold; pure."""

import re
from collections.abc import Iterable

from attrs import frozen

from hive.config_repos.errors import BadTree
from hive.git import escaped_line

ENTRY_POINT = "agent.toml"
MOST_ENTRIES = 1000
MOST_BYTES = 4 << 20
MOST_PATH = 255
"""Bytes of a path: then no part of it is too long for any file system either."""

_LINE = re.compile(rb"([0-7]{6}) (\w+) ([0-9a-f]{40}) +([0-9]+|-|BAD)\t(.+)", re.DOTALL)
_FILES = ("100644", "100755")
_FOLDER = "040000"
_REFUSED = {"120000": "a symbolic link", "160000": "a submodule"}
_SHOWN = 80


@frozen
class TreeEntry:
    """A file or folder of a commit; `size` is None of what is no file, or is missing."""

    mode: str
    hash: str
    size: int | None
    path: str

    @property
    def is_file(self) -> bool:
        return self.mode in _FILES


def parse_entries(listing: bytes) -> tuple[TreeEntry, ...]:
    """Read what `git ls-tree -r -t -l -z` writes; raises BadTree for a path that is not UTF-8."""
    return tuple(_parse(line) for line in listing.split(b"\0") if line)


def _parse(line: bytes) -> TreeEntry:
    found = _LINE.fullmatch(line)
    if found is None:
        shown = escaped_line(line.decode(errors="backslashreplace"), _SHOWN)
        raise BadTree(f"the commit has an entry that git cannot list: {shown}")
    mode, _, digest, size, path = found.groups()
    try:
        name = path.decode()
    except UnicodeDecodeError:
        shown = escaped_line(path.decode(errors="backslashreplace"), _SHOWN)
        raise BadTree(f"the path {shown} is not UTF-8: rename it") from None
    return TreeEntry(mode.decode(), digest.decode(), int(size) if size.isdigit() else None, name)


def check_tree(entries: Iterable[TreeEntry]) -> None:
    """Check the files and folders of a commit; raises BadTree with the first rule that is broken.

    Names that only some file systems take for `.git` are left to git's own check of objects.
    """
    found = tuple(entries)
    if len(found) > MOST_ENTRIES:
        raise too_many_entries()
    for entry in found:
        _check(entry)
    entry_points = [entry for entry in found if entry.path == ENTRY_POINT]
    if not entry_points:
        raise BadTree(f"the commit has no file {ENTRY_POINT} at its top: add it")
    if not entry_points[0].is_file:
        raise BadTree(f"{ENTRY_POINT} is a folder: it must be a file")
    total = sum(entry.size or 0 for entry in found)
    if total > MOST_BYTES:
        largest = max(found, key=lambda entry: entry.size or 0)
        raise BadTree(
            f"the files of the commit have {total} bytes, at most {MOST_BYTES} are allowed: the "
            f"largest is {escaped_line(largest.path, _SHOWN)} with {largest.size}; keep large "
            "files in the agent's state folder or the shared space"
        )


def too_many_entries() -> BadTree:
    """The refusal of a commit that has too many of them, for who could not even list them."""
    return BadTree(
        f"the commit has more than {MOST_ENTRIES} files and folders, or endless paths: remove what "
        "is not configuration"
    )


def _check(entry: TreeEntry) -> None:
    shown = escaped_line(entry.path, _SHOWN)
    if entry.mode not in (*_FILES, _FOLDER):
        what = _REFUSED.get(entry.mode, f"of a kind ({entry.mode}) that is not allowed")
        raise BadTree(f"{shown} is {what}: only files and folders are allowed")
    if not entry.path.isprintable():
        raise BadTree(f"the path {shown} has characters that are not printable: rename it")
    if len(entry.path.encode()) > MOST_PATH:
        raise BadTree(f"the path {shown} has more than {MOST_PATH} bytes: shorten it")
    for part in entry.path.split("/"):
        if part in ("", ".", "..") or part.lower() == ".git":
            raise BadTree(
                f"the path {shown} has the part {part!r}, which is not allowed: rename it"
            )
    if entry.is_file and entry.size is None:
        raise BadTree(f"the content of {shown} is missing in the repository: commit it again")
