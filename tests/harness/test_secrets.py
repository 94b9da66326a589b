"""A credential that a program prints leaves the harness in no event, request or record."""

import json
import os
from pathlib import Path

from harness.cli.lines import Tail
from harness.journal import write
from harness.own_login import LABEL
from harness.state import HarnessOptions, HarnessState
from hive.paths import AgentFolders
from hive.wire.harness import HarnessSettings
from hive.wire.turns import Text, ToolResult

KEY = "key-9f2c77ab01de55f4477c"


def state(base: Path) -> HarnessState:
    return HarnessState(HarnessOptions("worker", AgentFolders(base), base / "socket"))


def settings(key: str) -> HarnessSettings:
    return HarnessSettings("worker", environment=(("ANTHROPIC_API_KEY", key), ("A_URL", "u" * 9)))


def log_in(state: HarnessState, access: object, refresh: str = "refresh-token-77") -> None:
    file = state.options.folders.claude / ".claude/.credentials.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    login = {"accessToken": access, "refreshToken": refresh, "expiresAt": 1}
    fresh = file.with_name("fresh")
    fresh.write_text(json.dumps({"claudeAiOauth": login}))
    fresh.rename(file)


def emitted(state: HarnessState, text: str) -> str:
    """What the daemon gets of a text, which is what the disk gets."""
    state.emit(Text("t", text))
    (_, to_daemon), (_, to_disk) = state.outbox.batch()[1][-1], state.records.batch()[1][-1]
    assert to_daemon == to_disk and isinstance(to_disk, Text)
    return to_disk.text


def test_the_credential_and_those_before_it(tmp_path: Path) -> None:
    mine = state(tmp_path)
    assert emitted(mine, KEY) == KEY  # it is nothing special yet
    mine.take_settings(settings(KEY))
    mine.take_settings(settings("another-key-0815"))
    said = emitted(mine, f"ANTHROPIC_API_KEY={KEY} another-key-0815 {'u' * 9}")
    hidden = "[secret ANTHROPIC_API_KEY]"
    assert said == f"ANTHROPIC_API_KEY={hidden} {hidden} {'u' * 9}"


def test_the_agents_own_login_also_when_its_tokens_are_renewed(tmp_path: Path) -> None:
    mine = state(tmp_path)
    for access in ("first-access-token", "second-access-token"):
        log_in(mine, access)
        said = emitted(mine, "first-access-token second-access-token refresh-token-77")
        assert access not in said and f"[secret {LABEL}]" in said
    assert said == " ".join([f"[secret {LABEL}]"] * 3)


def test_a_hostile_file_of_a_login_harms_nobody(tmp_path: Path) -> None:
    mine = state(tmp_path)
    log_in(mine, ["no text"])
    file = tmp_path / "claude/.claude/.credentials.json"
    for content in (
        "[" * 200_000,
        '{"a": 1}',
        "[]",
        "",
        '{"x": {"accessToken": "\\ud800aaaaaaaa"}}',
    ):
        file.write_text(content)
        assert emitted(mine, "a word") == "a word"
    file.unlink()
    os.mkfifo(file)
    assert emitted(mine, "a word") == "a word"
    file.unlink()
    planted = tmp_path / "planted"
    planted.write_text(json.dumps({"x": {"accessToken": "of somebody else"}}))
    file.symlink_to(planted)
    assert emitted(mine, "of somebody else") == "of somebody else"


def test_neither_journal_nor_stderr_has_it(tmp_path: Path) -> None:
    mine = state(tmp_path)
    mine.take_settings(settings(KEY))
    mine.emit(ToolResult("t", "i", False, f"HOME=/x\nANTHROPIC_API_KEY={KEY}\n"))
    write(tmp_path / "harness", mine.records.batch()[1])
    stored = b"".join(file.read_bytes() for file in (tmp_path / "harness").iterdir())
    assert b"HOME=/x" in stored and KEY.encode() not in stored


def test_a_tail_does_not_begin_with_half_a_word() -> None:
    tail = Tail(limit=30)
    tail.feed(b"it said ")
    assert str(tail) == "it said "
    tail.feed(f"{KEY} and then it died".encode())
    assert str(tail) == "and then it died"
