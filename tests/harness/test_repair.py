"""Damaged files of the CLI: each is set aside, what was good comes back, and nothing blocks."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli.repair import KEPT, MOST_BYTES, _check_json, _Damage, repair

SESSION = "11111111-2222-4333-8444-555555555555"
GOOD = b'{"userID": "good"}'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """As the CLI leaves it."""
    home = tmp_path / "claude"
    project = home / ".claude" / "projects" / "-agents-worker-1-state"
    for folder in (project, home / ".claude" / "backups", home / "tmp"):
        folder.mkdir(parents=True)
    (project / f"{SESSION}.jsonl").write_text('{"type":"user"}\n')
    (home / ".claude.json").write_bytes(GOOD)
    backup(home, 1000, b'{"userID": "older"}')
    backup(home, 2000, b'{"userID": "newer"}')
    return home


def backup(home: Path, number: int, data: bytes) -> None:
    (home / ".claude" / "backups" / f".claude.json.backup.{number}").write_bytes(data)


def config(home: Path) -> object:
    return json.loads((home / ".claude.json").read_bytes())


def aside(folder: Path, name: str) -> list[Path]:
    return sorted(folder.glob(f"{name}.damaged-*"))


def test_what_is_well_is_left_alone(home: Path) -> None:
    before = sorted(home.rglob("*"))
    assert repair(home, SESSION).notes == ()
    assert sorted(home.rglob("*")) == before and config(home) == {"userID": "good"}


@pytest.mark.parametrize("there", [True, False], ids=["empty", "missing"])
def test_a_home_without_anything_is_well(tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "home").mkdir()
    assert repair(tmp_path / "home", SESSION).notes == ()


@pytest.mark.parametrize(
    "data",
    [b"", b"  \n", GOOD[:9], b"\0" * 500, b"\xff\xfe{}", b"NaN", b'{"a": NaN}', b"[" * 100_000],
    ids=["empty", "blank", "cut", "nulls", "noise", "nan", "nan inside", "deep"],
)
def test_a_damaged_configuration_is_set_aside_and_its_latest_backup_restored(
    home: Path, data: bytes
) -> None:
    (home / ".claude.json").write_bytes(data)
    found = repair(home, SESSION)
    assert config(home) == {"userID": "newer"}
    (kept,) = aside(home, ".claude.json")
    assert kept.read_bytes() == data
    assert kept.name in found.notes[0] and "backup of 2000 is restored" in found.notes[1]
    assert not found.lost_session
    assert repair(home, SESSION).notes == ()


def test_backups_that_are_damaged_are_passed_over(home: Path) -> None:
    (home / ".claude.json").write_text("{")
    backup(home, 3000, b"")
    os.mkfifo(home / ".claude" / "backups" / ".claude.json.backup.4000")
    (home / ".claude" / "backups" / ".claude.json.backup.5000").symlink_to("/dev/zero")
    (home / ".claude" / "backups" / ".claude.json.backup.x").mkdir()
    repair(home, SESSION)
    assert config(home) == {"userID": "newer"}


def test_without_a_good_backup_the_cli_begins_anew(home: Path) -> None:
    for file in (home / ".claude" / "backups").iterdir():
        file.write_text("{")
    (home / ".claude.json").write_text("{")
    assert "begins with a new one" in repair(home, SESSION).notes[-1]
    assert not (home / ".claude.json").exists()


@pytest.mark.parametrize("kind", ["pipe", "folder", "link", "loop", "device"])
def test_something_else_in_the_configurations_place_blocks_nobody(home: Path, kind: str) -> None:
    file = home / ".claude.json"
    secret = home.parent / "secret"
    secret.write_text("not to be moved")
    file.unlink()
    match kind:
        case "pipe":
            os.mkfifo(file)
        case "folder":
            (file / "x").mkdir(parents=True)
        case "link":
            file.symlink_to(secret)
        case "loop":
            file.symlink_to(file)
        case "device":
            file.symlink_to("/dev/zero")
    assert repair(home, SESSION).notes
    assert secret.read_text() == "not to be moved"
    assert config(home) == {"userID": "newer"} and repair(home, SESSION).notes == ()


def test_a_configuration_without_end_is_not_read_whole(home: Path) -> None:
    os.truncate(home / ".claude.json", MOST_BYTES * 100)  # sparse
    assert "larger than" in repair(home, SESSION).notes[0]
    assert config(home) == {"userID": "newer"}


@pytest.mark.parametrize("place", [".claude", ".claude/projects", ".claude/backups", "tmp"])
@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_what_lies_in_the_place_of_a_folder_is_set_aside(home: Path, place: str, kind: str) -> None:
    path = home / place
    path.rename(home.parent / "away")
    if kind == "file":
        path.write_text("in the way")
    else:
        path.symlink_to("nowhere")
    (note,) = repair(home, SESSION).notes
    assert "is not a folder" in note and not os.path.lexists(path)
    assert aside(path.parent, path.name)


def test_a_folder_that_was_closed_is_opened(home: Path) -> None:
    (home / ".claude" / "projects").chmod(0o050)
    assert repair(home, SESSION).notes == ()
    assert (home / ".claude" / "projects").stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_a_transcript_that_is_none_costs_the_conversation_only(home: Path, kind: str) -> None:
    (file,) = home.glob(f".claude/projects/*/{SESSION}.jsonl")
    file.unlink()
    {"pipe": os.mkfifo, "folder": os.mkdir, "link": lambda at: at.symlink_to("/etc/hosts")}[kind](
        file
    )
    found = repair(home, SESSION)
    assert found.lost_session and "a new one begins" in found.notes[-1]
    assert not os.path.lexists(file) and repair(home, SESSION).notes == ()


def test_pipes_that_the_cli_would_read_are_removed(home: Path) -> None:
    os.mkfifo(home / ".claude" / "settings.json")
    os.mkfifo(home.parent / "pipe")
    (home / ".claude" / ".credentials.json").symlink_to(home.parent / "pipe")
    assert len(repair(home, SESSION).notes) == 2
    assert not os.path.lexists(home / ".claude" / "settings.json")
    assert not os.path.lexists(home / ".claude" / ".credentials.json")
    assert (home.parent / "pipe").is_fifo(), "only the link is set aside"
    assert repair(home, SESSION).notes == ()


def test_only_the_latest_damaged_files_are_kept(home: Path) -> None:
    for number in range(KEPT + 4):
        (home / ".claude.json").write_text(f"{{{number}")
        repair(home, SESSION)
    kept = [file.read_text() for file in aside(home, ".claude.json")]
    assert kept == [f"{{{number}" for number in range(4, KEPT + 4)]


def test_what_cannot_be_set_aside_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    (home / ".claude.json").write_text("{")
    monkeypatch.setattr("harness.cli.repair.Path.rename", refuse)
    assert "cannot be set aside: Operation not permitted" in repair(home, SESSION).notes[0]


# Becomes an ordinary user after its imports, which that user may be unable to read.
AS_USER = """
import codecs, os, sys
from pathlib import Path
from harness.cli.repair import repair

codecs.lookup("utf-8-sig")

uid, home, session = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
print(*repair(home, session).notes, sep=chr(10))
"""


def test_what_may_not_be_read_is_set_aside_by_whoever_owns_the_folder() -> None:
    """As in a container, where no user may read everything; the file may be of another user."""
    uid = 70001 if os.geteuid() == 0 else os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / ".claude" / "backups").mkdir(parents=True)
        (home / ".claude.json").write_bytes(GOOD)
        backup(home, 1000, b'{"userID": "older"}')
        for path in (home, *home.rglob("*")):
            os.chown(path, uid, uid)
        (home / ".claude.json").chmod(0)
        (home / ".claude").chmod(0)
        command = [sys.executable, "-c", AS_USER, str(uid), str(home), SESSION]
        said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        assert "Permission denied: set aside" in said.stdout
        assert "backup of 1000 is restored" in said.stdout
        assert config(home) == {"userID": "older"}


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_damage(data: bytes) -> None:
    try:
        _check_json(data)
    except _Damage as damage:
        assert str(damage)
