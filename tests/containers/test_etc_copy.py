"""The copy of /etc that containers see."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hive.containers.etc import OWN, copy_etc, signature


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder that other users could pass, unlike pytest's: links are judged by their path."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "etc"
    (source / "ssl" / "certs").mkdir(parents=True)
    (source / "ssl" / "private").mkdir(mode=0o710)
    (source / "ssl" / "private" / "key").write_text("secret")
    (source / "ssl" / "certs" / "ca").write_text("public")
    (source / "hosts").write_text("127.0.0.1 localhost")
    (source / "shadow").touch(mode=0o640)
    (source / "ssl" / "host_key").touch(mode=0o600)
    (source / "listable").mkdir(mode=0o744)
    return source


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_only_what_everybody_may_read_is_copied(source: Path, tmp_path: Path) -> None:
    copy_etc(tmp_path / "copy", source)
    assert tree(tmp_path / "copy") == {"hosts", "ssl", "ssl/certs", "ssl/certs/ca", *OWN}
    assert (tmp_path / "copy" / "hosts").read_text() == "127.0.0.1 localhost"


def test_a_later_copy_follows_every_change(source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy_etc(copy, source)
    (source / "hosts").write_text("changed")
    (source / "ssl" / "certs" / "ca").chmod(0o600)
    (source / "new").write_text("new")
    (source / "ssl" / "certs").rename(source / "certs")
    (source / "ssl" / "certs").write_text("a file now")
    copy_etc(copy, source)
    assert (copy / "hosts").read_text() == "changed"
    assert tree(copy) == {"hosts", "new", "ssl", "ssl/certs", "certs", *OWN}
    (source / "hosts").chmod(0o600)
    (source / "ssl" / "certs").unlink()
    (source / "ssl" / "certs").mkdir()
    copy_etc(copy, source)
    assert tree(copy) == {"new", "ssl", "ssl/certs", "certs", *OWN}


def test_links_out_of_the_system_become_files(source: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "resolv.conf").write_text("nameserver 127.0.0.53")
    (source / "resolv.conf").symlink_to("../run/resolv.conf")
    (source / "localtime").symlink_to("/usr/share/zoneinfo/UTC")
    copy_etc(tmp_path / "copy", source)
    resolved = tmp_path / "copy" / "resolv.conf"
    assert not resolved.is_symlink()
    assert resolved.read_text() == "nameserver 127.0.0.53"
    assert (tmp_path / "copy" / "localtime").readlink() == Path("/usr/share/zoneinfo/UTC")


def test_links_lead_to_nothing_private(source: Path, tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir()
    (private / "readable").write_text("its folder protects it")
    (source / "by-folder").symlink_to(private / "readable")
    private.chmod(0o700)
    (source / "by-mode").symlink_to(source / "shadow")
    copy_etc(tmp_path / "copy", source)
    assert not {"by-folder", "by-mode"} & tree(tmp_path / "copy")


def test_what_is_not_a_file_is_left_out(source: Path, tmp_path: Path) -> None:
    os.mkfifo(source / "pipe")
    copy_etc(tmp_path / "copy", source)
    assert "pipe" not in tree(tmp_path / "copy")


def test_what_each_container_has_of_its_own_is_never_replaced(source: Path, tmp_path: Path) -> None:
    """A mount lies over it, and would go with it."""
    copy = tmp_path / "copy"
    copy_etc(copy, source)
    before = [(copy / name).stat().st_ino for name in OWN]
    (source / "passwd").write_text("root:x:0:0::/root:/bin/sh")
    (source / "ssl" / "group").write_text("of another folder")
    copy_etc(copy, source)
    assert [(copy / name).stat().st_ino for name in OWN] == before
    assert [(copy / name).read_text() for name in OWN] == ["", ""]
    assert (copy / "ssl" / "group").read_text() == "of another folder"


def test_a_link_that_leads_nowhere_for_a_moment_keeps_its_last_copy(
    source: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "resolv.conf").write_text("nameserver 10.0.0.1")
    (source / "resolv.conf").symlink_to(run / "resolv.conf")
    copy_etc(tmp_path / "copy", source)
    (run / "resolv.conf").unlink()
    copy_etc(tmp_path / "copy", source)
    assert (tmp_path / "copy" / "resolv.conf").read_text() == "nameserver 10.0.0.1"
    (source / "resolv.conf").unlink()
    copy_etc(tmp_path / "copy", source)
    assert not (tmp_path / "copy" / "resolv.conf").exists()


@pytest.mark.parametrize("change", ["in place", "replaced", "behind a link", "gone"])
def test_a_change_of_the_network_is_seen(source: Path, tmp_path: Path, change: str) -> None:
    (tmp_path / "real").write_text("a")
    (source / "resolv.conf").symlink_to(tmp_path / "real")
    before = signature(source)
    assert signature(source) == before
    match change:
        case "in place":
            (source / "hosts").write_text("127.0.0.1 localhost\n10.0.0.1 x")
        case "replaced":
            (source / "new").write_text("127.0.0.1 localhost")
            (source / "new").replace(source / "hosts")
        case "behind a link":
            (tmp_path / "real").write_text("another")
        case "gone":
            (source / "hosts").unlink()
    assert signature(source) != before
