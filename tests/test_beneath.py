"""Looking beneath a folder whose owner does what it likes there, at any moment."""

import fcntl
import os
import signal
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.beneath import (
    MOST_PATH,
    MOST_SCANNED,
    kind_of,
    list_folder,
    name_text,
    open_folder,
    parse_path,
    read_part,
)
from hive.files import UnfitFile

SECRET = b"of somebody else"
NAMES = st.binary(min_size=1, max_size=12).filter(
    lambda name: name not in (b".", b"..") and b"/" not in name and b"\0" not in name
)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The agent's folder; beside it lies what must not be reached."""
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside/secret").write_bytes(SECRET)
    (tmp_path / "beside/theirs").touch()
    base = tmp_path / "base"
    (base / "notes").mkdir(parents=True)
    (base / "notes/plan").write_bytes(b"the plan")
    return base


def content(
    base: Path, path: str, *, offset: int = 0, most: int = 100, largest: int = 1000
) -> bytes:
    return read_part(base, parse_path(path), offset, most, largest)[0]


def listed(base: Path, path: str = "", most: int = 100) -> dict[str, str]:
    found, _ = list_folder(base, parse_path(path), most)
    return {name_text(one.name): kind_of(one.stat.st_mode) for one in found}


# --- paths as text ------------------------------------------------------------------------------


@given(st.lists(NAMES, max_size=5))
def test_every_path_has_a_printable_text_that_is_read_back(parts: list[bytes]) -> None:
    text = "/".join(map(name_text, parts))
    assert text == "" or text.isprintable()
    assert parse_path(text) == tuple(parts)


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.text("ab./\\x20ef\0", max_size=20))
def test_no_text_leads_out_of_the_folder(text: str) -> None:
    try:
        parts = parse_path(text)
    except ValueError as error:
        assert str(error).isprintable()
        return
    assert all(part not in (b"", b".", b"..") for part in parts)
    assert not any(b"/" in part or b"\0" in part for part in parts)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\/")))
def test_a_text_without_escapes_means_itself(text: str) -> None:
    if text not in ("", ".", ".."):
        assert parse_path(f"{text}/x") == (text.encode(), b"x")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("a//b/./c/", (b"a", b"b", b"c")),
        (r"caf\xE9\\x", (b"caf\xe9\\x",)),
        ("größe\n", ("größe\n".encode(),)),
        ("...", (b"...",)),
    ],
)
def test_what_a_path_means(text: str, parts: tuple[bytes, ...]) -> None:
    assert parse_path(text) == parts


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("/etc/passwd", "absolute"),
        ("../x", r"'\.\.'"),
        ("a/../..", r"'\.\.'"),
        (r"\x2e\x2e/x", r"'\.\.'"),
        (r"a\x2fb", "escaped '/'"),
        (r"a\x00", "NUL"),
        ("a\0", "NUL"),
        (r"a\n", "single backslash"),
        ("a\\", "single backslash"),
        (r"a\x1", "single backslash"),
        ("x/" * MOST_PATH, "more than 4096 bytes"),
    ],
)
def test_a_path_that_is_refused_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        parse_path(text)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"plan.md", "plan.md"),
        ("größe".encode(), "größe"),
        (b"a\\b", r"a\\b"),
        (b"\x1b[2J\n", r"\x1b[2J\x0a"),
        ("\u202e\x9b".encode(), r"\xe2\x80\xae\xc2\x9b"),
        (b"caf\xe9", r"caf\xe9"),
    ],
)
def test_how_a_name_is_written(name: bytes, text: str) -> None:
    assert name_text(name) == text


# --- reading ------------------------------------------------------------------------------------


def test_a_file_is_read_in_parts(base: Path) -> None:
    assert content(base, "notes/plan") == b"the plan"
    assert content(base, "notes/plan", offset=4, most=2) == b"pl"
    for beyond in (8, 9, 2**63, 2**64):
        assert content(base, "notes/plan", offset=beyond) == b""
    with pytest.raises(FileNotFoundError):
        content(base, "notes/none")
    with pytest.raises(FileNotFoundError):
        content(base, "none/plan")


def test_a_link_is_followed_at_no_place_of_a_path(base: Path, tmp_path: Path) -> None:
    (base / "out").symlink_to("../beside")
    (base / "file").symlink_to(tmp_path / "beside/secret")
    (base / "notes/up").symlink_to("..")
    (base / "loop").symlink_to("loop")
    for path in ("out/secret", "out", "file", "notes/up/notes/plan", "loop", "loop/x"):
        with pytest.raises(UnfitFile, match="is a link"):
            content(base, path)
    for path in ("out/x", "notes/up/notes"):
        with pytest.raises(UnfitFile, match="is a link"):
            listed(base, path)
    assert listed(base, "out") == {"out": "link"}
    link = tmp_path / "link"
    link.symlink_to(base)
    with pytest.raises(NotADirectoryError):
        content(link, "notes/plan")
    with pytest.raises(NotADirectoryError):
        open_folder(link)


def test_what_is_no_plain_file_is_refused_at_once_and_named(base: Path) -> None:
    os.mkfifo(base / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(base / "socket"))
    refused = {}
    for path in ("pipe", "socket", "notes", "notes/plan/x", "pipe/x", ""):
        with pytest.raises(UnfitFile) as error:
            content(base, path)
        refused[path] = f"{error.value.filename} {error.value.strerror}"
    assert refused == {
        "pipe": "pipe is a fifo",
        "socket": "socket is a socket",
        "notes": "notes is a folder",
        "notes/plan/x": "notes/plan is a file",
        "pipe/x": "pipe is a fifo",
        "": " is a folder",
    }
    assert listed(base) == {"notes": "folder", "pipe": "fifo", "socket": "socket"}


def test_a_pipe_and_a_device_do_not_even_learn_that_somebody_looked(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags, plain_open = [], os.open

    def watched(path: Any, how: int, *more: Any, **named: Any) -> int:
        flags.append(how)
        return plain_open(path, how, *more, **named)

    os.mkfifo(base / "pipe")
    monkeypatch.setattr(os, "open", watched)
    with pytest.raises(UnfitFile, match="is a fifo"):
        content(base, "pipe")
    with pytest.raises(UnfitFile, match="is a device"):
        content(Path("/dev"), "zero")
    assert len(flags) == 4 and all(how & os.O_PATH for how in flags)


def test_a_file_whose_lease_somebody_holds_is_not_waited_for(base: Path) -> None:
    file = os.open(base / "notes/plan", os.O_RDWR)
    try:
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGWINCH)  # which nobody minds
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        with pytest.raises(BlockingIOError):
            content(base, "notes/plan")
    finally:
        os.close(file)


def test_a_hard_link_is_a_file_like_any_other(base: Path, tmp_path: Path) -> None:
    (base / "hard").hardlink_to(tmp_path / "beside/secret")
    assert content(base, "hard") == SECRET


def test_what_is_larger_than_it_may_be_is_refused_also_when_it_is_sparse(base: Path) -> None:
    with (base / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UnfitFile, match=f"has {1 << 40} bytes, more than 1000"):
        content(base, "sparse")
    assert read_part(base, (b"sparse",), (1 << 40) - 3, 9, 1 << 41)[0] == b"\0\0\0"
    ((found,), _) = list_folder(base, (b"sparse",), 9)
    assert found.stat.st_size == 1 << 40


def test_a_file_of_any_name_is_found_by_its_text(base: Path) -> None:
    names = [b"caf\xe9", b"\n", b"a\\x41", b"\x1b]0;x\x07", b"-rf", "\u202e".encode(), b"x" * 255]
    for name in names:
        (base / os.fsdecode(name)).write_bytes(name)
    found, more = list_folder(base, (), 100)
    assert [one.name for one in found] == sorted([*names, b"notes"]) and not more
    for name in names:
        assert content(base, name_text(name), most=300) == name
    with pytest.raises(OSError, match="too long"):
        content(base, "x" * 256)


def test_a_tree_that_is_deeper_than_a_path_is_refused_by_its_length(base: Path) -> None:
    name = "d" * 255
    at = open_folder(base)
    for _ in range(20):
        os.mkdir(name, dir_fd=at)
        inner = open_folder(name, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)
    assert listed(base, f"{name}/" * 16) == {name: "folder"}
    with pytest.raises(ValueError, match="4096 bytes"):
        listed(base, f"{name}/" * 17)


def test_a_folder_with_very_many_entries_is_cut(base: Path) -> None:
    folder = open_folder(base / "notes")
    for number in range(10_000):
        os.close(os.open(f"{number:05}", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
    found, more = list_folder(base, (b"notes",), 1000)
    assert more and [one.name for one in found] == [b"%05d" % n for n in range(1000)]
    found, more = list_folder(base, (b"notes",), 10_001)
    assert not more and len(found) == 10_001


def test_of_an_even_larger_folder_no_more_names_are_looked_at(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_SCANNED > 10_000
    monkeypatch.setattr("hive.beneath.MOST_SCANNED", 5)
    for number in range(20):
        (base / str(number)).touch()
    found, more = list_folder(base, (), 4)
    assert len(found) == 4 and more


def test_nothing_stays_open(base: Path) -> None:
    (base / "out").symlink_to("../beside")
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for path in ("notes/plan", "notes", "out/secret", "out", "none", "notes/plan/x"):
        for look in (content, listed):
            try:
                look(base, path)
            except OSError:
                pass
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


# --- while it changes ---------------------------------------------------------------------------


@contextmanager
def changing(change: Callable[[], None]) -> Iterator[None]:
    """Somebody does this again and again, as fast as possible."""
    end = threading.Event()

    def run() -> None:
        while not end.is_set():
            change()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


@pytest.mark.parametrize("path", ["a/secret", "b/a/secret"])
def test_a_folder_that_is_swapped_with_a_link_never_leads_out(base: Path, path: str) -> None:
    folder = base / path.rpartition("/")[0]
    folder.mkdir(parents=True)
    (folder / "secret").write_bytes(b"mine")
    (base / "link").symlink_to(base.parent / "beside")

    def swap() -> None:
        folder.rename(base / "kept")
        (base / "link").rename(folder)
        folder.rename(base / "link")
        (base / "kept").rename(folder)

    read = 0
    with changing(swap):
        for _ in range(2000):
            try:
                assert content(base, path) == b"mine"
                read += 1
            except (FileNotFoundError, UnfitFile):
                pass
            try:
                assert set(listed(base, path.rpartition("/")[0])) <= {"secret", "a"}
            except (FileNotFoundError, UnfitFile):
                pass
    assert content(base, path) == b"mine"


def test_a_file_that_is_swapped_is_never_a_pipe_or_a_link(base: Path) -> None:
    file = base / "file"
    file.write_bytes(b"mine")
    os.mkfifo(base / "pipe")
    (base / "link").symlink_to("../beside/secret")

    def swap() -> None:
        file.rename(base / "kept")
        for other in ("pipe", "link"):
            (base / other).rename(file)
            file.rename(base / other)
        (base / "kept").rename(file)

    with changing(swap):
        for _ in range(3000):
            try:
                assert content(base, "file") == b"mine"
            except (FileNotFoundError, UnfitFile):
                pass


def test_what_is_removed_while_it_is_listed_is_left_out(base: Path) -> None:
    def change() -> None:
        (base / "brief").touch()
        (base / "brief").unlink()

    with changing(change):
        for _ in range(300):
            assert {"notes"} <= set(listed(base)) <= {"notes", "brief"}


def test_a_mode_has_one_kind() -> None:
    assert kind_of(stat.S_IFBLK | 0o600) == kind_of(stat.S_IFCHR) == "device"
