"""What a commit may hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.config_repos.errors import BadTree
from hive.config_repos.tree import (
    ENTRY_POINT,
    MOST_BYTES,
    MOST_ENTRIES,
    MOST_PATH,
    TreeEntry,
    check_tree,
    parse_entries,
)

HASH = "1" * 40
GOOD = TreeEntry("100644", HASH, 10, ENTRY_POINT)


def file(path: str, size: int | None = 1, mode: str = "100644") -> TreeEntry:
    return TreeEntry(mode, HASH, size, path)


def test_a_small_tree_is_accepted() -> None:
    check_tree(
        [GOOD, file("a", None, "040000"), file("a/b ä .git.txt"), file("run", mode="100755")]
    )


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([], "no file agent.toml"),
        ([file("a/agent.toml")], "no file agent.toml"),
        ([file(ENTRY_POINT, None, "040000")], "agent.toml is a folder"),
        ([file(ENTRY_POINT, mode="120000")], "agent.toml is a symbolic link"),
        ([GOOD, file("sub", None, "160000")], "sub is a submodule"),
        ([GOOD, file("x", mode="100664")], r"of a kind \(100664\)"),
        ([GOOD, file("a/../b")], "part '..'"),
        ([GOOD, file("/etc/passwd")], "part ''"),
        ([GOOD, file("./a")], r"part '\.'"),
        ([GOOD, file("a/.gIT/config")], "part '.gIT'"),
        ([GOOD, file("a\x1b[31m")], r"path a\\x1b\[31m has characters"),
        ([GOOD, file("a\u202eb")], r"path a\\u202eb has characters"),
        ([GOOD, file("a\nb")], "not printable"),
        ([GOOD, file("ä" * MOST_PATH)], f"more than {MOST_PATH} bytes"),
        ([GOOD, file("gone", None)], "content of gone is missing"),
        ([GOOD, file("big", MOST_BYTES)], f"have {MOST_BYTES + 10} bytes.*the largest is big with"),
        ([GOOD, *(file(f"f{n}") for n in range(MOST_ENTRIES))], f"more than {MOST_ENTRIES} files"),
    ],
)
def test_what_breaks_a_rule_is_refused_in_words(entries: list[TreeEntry], words: str) -> None:
    with pytest.raises(BadTree, match=words):
        check_tree(entries)


def test_as_much_as_is_allowed_is_accepted() -> None:
    files = [file(f"f{n}", 1) for n in range(MOST_ENTRIES - 1)]
    check_tree([*files, file(ENTRY_POINT, MOST_BYTES - len(files))])
    check_tree([GOOD, file("a" * MOST_PATH)])


@given(st.lists(st.tuples(st.text(min_size=1), st.integers(0, 1 << 40)), max_size=5))
def test_a_listing_is_read_back(files: list[tuple[str, int]]) -> None:
    files = [(path.replace("\0", ""), size) for path, size in files]
    files = [(path, size) for path, size in files if path and path.isprintable()]
    listing = "".join(f"100644 blob {HASH} {size:7}\t{path}\0" for path, size in files)
    assert parse_entries(listing.encode()) == tuple(file(path, size) for path, size in files)


@given(st.binary(max_size=200))
def test_no_listing_raises_anything_else(listing: bytes) -> None:
    try:
        check_tree(parse_entries(listing))
    except BadTree as refusal:
        assert str(refusal).isprintable()


def test_a_path_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(BadTree, match=r"path a\\xff is not UTF-8"):
        parse_entries(b"100644 blob " + HASH.encode() + b"       3\ta\xff\0")
