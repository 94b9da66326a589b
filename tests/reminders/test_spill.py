"""Long texts go into a file of the agent, who may have prepared any trap there."""

import os
from pathlib import Path

import pytest

from hive.reminders.spill import spill


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


def test_it_is_written_whole_and_private_also_twice(state: Path) -> None:
    for text in ("ä" * 100_000, "short"):
        spill(state, "7.txt", text)
        file = state / "reminders" / "7.txt"
        assert file.read_text() == text
        assert file.stat().st_mode & 0o777 == 0o600
        assert [one.name for one in file.parent.iterdir()] == ["7.txt"]


@pytest.mark.parametrize("trap", ["link", "hard link", "fifo"])
@pytest.mark.parametrize("name", ["7.txt", ".7.txt.new"])
def test_a_trap_in_its_place_is_replaced_and_not_followed(
    state: Path, tmp_path: Path, trap: str, name: str
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (state / "reminders").mkdir()
    there = state / "reminders" / name
    match trap:
        case "link":
            there.symlink_to(victim)
        case "hard link":
            os.link(victim, there)
        case "fifo":
            os.mkfifo(there)
    spill(state, "7.txt", "text")
    assert victim.read_text() == "precious"
    assert (state / "reminders" / "7.txt").read_text() == "text"
    assert not (state / "reminders" / "7.txt").is_symlink()


def test_a_folder_that_is_a_link_is_refused(state: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (state / "reminders").symlink_to(other)
    with pytest.raises(OSError):
        spill(state, "7.txt", "text")
    assert list(other.iterdir()) == []


def test_a_state_folder_that_is_a_link_is_refused(state: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(state)
    with pytest.raises(OSError):
        spill(link, "7.txt", "text")


def test_a_folder_in_its_place_is_an_error(state: Path) -> None:
    (state / "reminders" / "7.txt").mkdir(parents=True)
    with pytest.raises(OSError):
        spill(state, "7.txt", "text")
