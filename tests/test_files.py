"""Reading small files back: whatever lies in their place."""

import os
import socket
from pathlib import Path

import pytest

from hive.files import UnfitFile, bounded_number, read_small


def test_a_plain_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 10)
    (tmp_path / "link").symlink_to("file")
    assert read_small(tmp_path / "file", most=10) == b"x" * 10
    assert read_small(tmp_path / "link", follow=True) == b"x" * 10
    with pytest.raises(FileNotFoundError):
        read_small(tmp_path / "none")


@pytest.mark.parametrize("kind", ["pipe", "folder", "socket", "link", "loop", "device", "large"])
def test_what_is_no_small_plain_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "it"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "socket":
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind(str(path))
        case "link":
            (tmp_path / "file").touch()
            path.symlink_to("file")
        case "loop":
            path.symlink_to("it")
        case "device":
            path = Path("/dev/zero")
        case "large":
            path.write_bytes(b"x" * 65537)
    with pytest.raises(UnfitFile, match=r"plain file|more than 65536 bytes"):
        read_small(path)
    if kind != "link":
        with pytest.raises(UnfitFile):
            read_small(path, follow=True)


@pytest.mark.parametrize(("text", "found"), [("2", 2), ("255", 255), ("007", 7), ("1", None)])
def test_a_number_is_in_its_bounds(text: str, found: int | None) -> None:
    assert bounded_number(text, 2, 255) == found


@pytest.mark.parametrize(
    "text", ["", "-5", "256", "1" + "0" * 30, "9" * 5000, "²", "٣", " 3", "3\n"]
)
def test_what_is_no_such_number_is_none(text: str) -> None:
    assert bounded_number(text, 2, 255) is None
