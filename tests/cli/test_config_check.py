"""`hive config check`: no daemon, every fault on a line, and what the file sets."""

import json
import os
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hive.agent_config import HostCaps
from hive.cli import main


def check(file: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["config", "check", str(file), *options])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An agent.toml with one prompt file, which is there."""
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/a.md").write_text("You are an agent.")
    path = tmp_path / "agent.toml"
    path.write_text(
        'purpose = "Reviews"\nmay_send = ["bob"]\n'
        '[claude]\nprompt_files = ["role.md", "prompts/a.md"]\n'
        "[container]\nmemory_mib = 1024\n"
    )
    return path


def test_what_a_valid_file_sets(file: Path) -> None:
    found = check(file)
    assert found.exit_code == 0
    assert found.output == (
        f"{file} is valid\n"
        "KEY                   VALUE                        CHANGE   EFFECT\n"
        'purpose               "Reviews"                    hot      not yet\n'
        'may_send              ["bob"]                      hot      when deployed\n'
        'claude.prompt_files   ["role.md", "prompts/a.md"]  restart  not yet\n'
        "container.memory_mib  1024                         hot      not yet\n"
        "PROMPT FILE\n"
        "role.md       missing\n"
        "prompts/a.md  found\n"
    )


def test_the_same_as_json(file: Path) -> None:
    found = json.loads(check(file, "--json").stdout)
    assert found["valid"] is True
    assert found["faults"] == []
    assert found["settings"][1] == {
        "key": "may_send",
        "value": ["bob"],
        "class": "hot",
        "applied": True,
    }
    assert found["prompt_files"] == [
        {"path": "role.md", "found": False},
        {"path": "prompts/a.md", "found": True},
    ]


def test_every_fault_is_a_line_with_file_and_key(file: Path) -> None:
    file.write_text('purpos = "x"\n[container]\nmemory_mib = 10\n')
    found = check(file)
    assert (found.exit_code, found.stdout) == (1, "")
    lines = found.stderr.removeprefix("hive: ").split("\n")
    assert (
        lines[0]
        == f"{file}: purpose: is missing, must be a text of 1 to 200 characters on one line"
    )
    assert lines[1].startswith(f"{file}: container.memory_mib: is 10, must be a whole number from")
    assert lines[2].startswith(f"{file}: purpos: is no known key, did you mean purpose?")
    found = check(file, "--json")
    assert found.exit_code == 1
    told = json.loads(found.stdout)
    assert (told["valid"], told["settings"], told["prompt_files"]) == (False, [], [])
    assert [one["key"] for one in told["faults"]] == ["purpose", "container.memory_mib", "purpos"]


def test_caps_are_those_of_this_machine(file: Path) -> None:
    more = HostCaps.of_this_machine().cpus + 1
    file.write_text(f'purpose = "x"\n[container]\ncpus = {more}\n')
    assert (
        f"container.cpus: is {more}, must be at most {more - 1}: this machine" in check(file).stderr
    )


def test_the_agent_is_not_in_its_own_lists(file: Path) -> None:
    assert check(file, "--agent", "ann").exit_code == 0
    assert 'may_send[0]: is "bob", the agent itself' in check(file, "--agent", "bob").stderr
    assert check(file, "--agent", "Bob").exit_code == 2


def test_prompt_files_that_cannot_be_used(file: Path) -> None:
    names = [
        "gone.md",
        "folder",
        "link.md",
        "behind/a.md",
        "large.md",
        "latin.md",
        "pipe",
        "file/x",
    ]
    folder = file.parent
    (folder / "folder").mkdir()
    (folder / "link.md").symlink_to("/etc/passwd")
    (folder / "behind").symlink_to(folder / "prompts")
    (folder / "large.md").write_bytes(b"x" * 65_537)
    (folder / "latin.md").write_bytes(b"\xe4")
    (folder / "file").write_text("x")
    os.mkfifo(folder / "pipe")
    file.write_text(f'purpose = "x"\n[claude]\nprompt_files = {names}\n')
    found = check(file)
    assert found.exit_code == 1
    assert [line.partition("prompt file ")[2] for line in found.stderr.rstrip().split("\n")] == [
        "gone.md: is missing: add it, or do not name it",
        "folder: cannot be read: is no plain file",
        "link.md: is a link, or lies behind one: name the file itself",
        "behind/a.md: is a link, or lies behind one: name the file itself",
        "large.md: cannot be read: has more than 65536 bytes",
        "latin.md: is not UTF-8: unexpected end of data at byte 0: save it as UTF-8",
        "pipe: cannot be read: is no plain file",
        "file/x: cannot be read: is no plain file",
    ]


def test_a_folder_that_is_reached_by_a_link_is_no_fault(file: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(file.parent)
    assert check(tmp_path / "link/agent.toml").exit_code == 0


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    found = check(tmp_path)
    assert (found.exit_code, found.stderr) == (
        1,
        f"hive: {tmp_path}: cannot be read: Is a directory\n",
    )
    assert check(tmp_path / "none").exit_code == 1
    assert "has more than 65536 bytes" in check(Path("/dev/zero")).stderr


def test_a_pipe_has_no_prompt_files_beside_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    text = 'purpose = "x"\n[claude]\nprompt_files = ["a.md"]\n'
    writer = threading.Thread(target=pipe.write_text, args=(text,), daemon=True)
    writer.start()
    found = check(pipe, "--json")
    writer.join(20)
    assert json.loads(found.stdout)["prompt_files"] == []


def test_nothing_in_a_file_drives_the_terminal(file: Path) -> None:
    file.write_text('purpose = "\\u001b[2J"\n"\\u001b]0;x" = 1\n# \N{RIGHT-TO-LEFT OVERRIDE}\n')
    shown = check(file).stderr
    assert all(line.isprintable() for line in shown.rstrip("\n").split("\n"))
