"""Which claude binary is used, and what is said when there is none."""

from pathlib import Path

import pytest

from hive.daemon.claude import ClaudeMissing, check_version, find_claude


def fake(folder: Path, says: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    binary = folder / "claude"
    binary.write_text(f"#!/bin/sh\n{says}\n")
    binary.chmod(0o755)
    return binary


def test_configured_before_path_before_bundled(tmp_path: Path) -> None:
    configured = fake(tmp_path / "a", "echo")
    on_path = fake(tmp_path / "b", "echo")
    assert find_claude(str(configured), str(on_path.parent)) == configured
    assert find_claude(None, str(on_path.parent)) == on_path
    assert find_claude(None, str(tmp_path)).parts[-2:] == ("_bundled", "claude")


@pytest.mark.parametrize("name", ["nothing", "", "file"])
def test_a_configured_one_that_is_no_program_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ClaudeMissing, match=r"hive\.toml"):
        find_claude(str(tmp_path / name))


def test_the_bundled_one_is_new_enough() -> None:
    check_version(find_claude(None, "/nowhere"))


@pytest.mark.parametrize(
    ("does", "says"),
    [
        ("echo '1.0.5 (Claude Code)'", "2.1.300 or newer"),
        ("echo '2.1.299 (Claude Code)'", "upgrade it"),
        ("echo hello", "not a version"),
        ("exit 3", "failed"),
    ],
)
def test_too_old_or_no_claude_at_all(tmp_path: Path, does: str, says: str) -> None:
    with pytest.raises(ClaudeMissing, match=says):
        check_version(fake(tmp_path, does))
