"""Small parts of the harness: lines, silence, outbox, command line, session file."""

import os
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli import session
from harness.cli.arguments import CliSetup, CredentialsError, argv, environment
from harness.cli.lines import LineSplitter, Tail
from harness.cli.session import CliSession
from harness.outbox import Outbox
from harness.turns.silence import RETRIES_S, TOOL_S, SilenceWatch
from hive.paths import AgentFolders
from hive.wire.daemon import Notice

# --- lines -------------------------------------------------------------------------------------


@given(st.lists(st.binary().map(lambda data: data.replace(b"\n", b"")), max_size=8), st.data())
def test_lines_come_out_however_they_were_cut(lines, data):
    stream = b"".join(line + b"\n" for line in lines)
    splitter, found = LineSplitter(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += splitter.feed(stream[:size])
        stream = stream[size:]
    assert found == [line for line in lines if line.strip()]


def test_a_line_that_is_too_long_is_dropped_and_told():
    lines = LineSplitter(limit=4)
    assert lines.feed(b"12345") == []
    assert lines.feed(b"678\nabcd\nabcde\nok\n") == [None, b"abcd", None, b"ok"]


def test_the_tail_keeps_the_end():
    tail = Tail(6)
    tail.feed(b"abc")
    tail.feed(b"de def\xff")
    assert str(tail) == "def\ufffd"


# --- silence -----------------------------------------------------------------------------------


def test_silence_is_counted_from_the_last_line():
    silence = SilenceWatch(10, last_line_at=100)
    assert silence.deadline == 110
    silence.note_line(105)
    assert silence.deadline == 115


def test_a_running_tool_may_be_silent_for_as_long_as_the_cli_allows_it():
    silence = SilenceWatch(10, last_line_at=100)
    silence.tools.add("t")
    assert silence.deadline == 110 + TOOL_S
    silence.tools.discard("t")
    assert silence.deadline == 110


def test_retries_are_life_but_not_for_ever():
    silence = SilenceWatch(10, last_line_at=100)
    silence.note_retry(100, 30)
    assert silence.deadline == 140
    for now in range(100, 2000, 20):
        silence.note_retry(now, 30)
    assert silence.deadline == 110 + RETRIES_S
    silence.note_line(700)
    assert silence.deadline == 710


# --- outbox ------------------------------------------------------------------------------------


def notices(events):
    return [event.text for _, event in events]


async def test_a_batch_stays_until_it_is_done():
    outbox = Outbox()
    for number in range(3):
        outbox.put(Notice(str(number)))
    assert outbox.batch(2) == outbox.batch(2)
    first, events = outbox.batch(2)
    assert (first, notices(events)) == (0, ["0", "1"])
    outbox.done(2)
    first, events = outbox.batch(2)
    assert (first, notices(events)) == (2, ["2"])
    outbox.done(3)
    assert outbox.batch() == (3, ())


async def test_an_outbox_that_is_full_loses_the_oldest_and_says_so():
    outbox = Outbox(capacity=3)
    for number in range(8):
        outbox.put(Notice(str(number)))
    first, events = outbox.batch()
    assert first == 4
    assert notices(events) == ["5 events were lost: too many waited to be taken", "5", "6", "7"]
    outbox.done(first + len(events))
    outbox.put(Notice("8"))
    first, events = outbox.batch()
    assert (first, notices(events)) == (8, ["8"])


async def test_events_lost_while_a_batch_was_on_its_way_are_told_later():
    outbox = Outbox(capacity=2)
    outbox.put(Notice("0"))
    first, events = outbox.batch()
    for number in range(1, 5):
        outbox.put(Notice(str(number)))
    outbox.done(first + len(events))
    first, events = outbox.batch()
    assert first == 2 and notices(events)[0].startswith("2 events were lost"), "0 was in the batch"
    assert notices(events)[1:] == ["3", "4"]


async def test_a_loss_is_told_once_at_the_time_of_what_was_lost(monkeypatch):
    clock = iter(range(100, 200))
    monkeypatch.setattr("harness.outbox.time", SimpleNamespace(time=lambda: float(next(clock))))
    outbox = Outbox(capacity=2)
    for number in range(5):
        outbox.put(Notice(str(number)))
    first, events = outbox.batch()
    assert [at for at, _ in events] == [102, 103, 104]
    assert notices(events)[0].startswith("3 events were lost")
    for number in range(5, 9):  # while that batch is on its way
        outbox.put(Notice(str(number)))
    outbox.done(first + len(events))
    first, events = outbox.batch()
    assert notices(events)[0].startswith("2 events were lost") and events[0][0] == 106
    outbox.done(first + len(events))
    assert outbox.batch() == (9, ())


# --- command -----------------------------------------------------------------------------------


def test_the_command_begins_and_resumes_a_session():
    setup = CliSetup("claude", "opus", ("sonnet", "haiku"), ())
    new = argv(setup, CliSession("id", known=False))
    assert new[new.index("--session-id") + 1] == "id" and "--resume" not in new
    known = argv(setup, CliSession("id", known=True))
    assert known[known.index("--resume") + 1] == "id" and "--session-id" not in known
    assert known[known.index("--model") + 1] == "opus"
    assert known[known.index("--fallback-model") + 1] == "sonnet,haiku"
    bare = argv(CliSetup("claude", None, (), ()), CliSession("id", known=True))
    assert "--model" not in bare and "--fallback-model" not in bare
    refused = new[new.index("--disallowedTools") + 1].split(",")
    assert {"ListAgents", "SendMessage"} <= set(refused)


def test_the_environment_is_built_from_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_HOST", "x")
    given = (("ANTHROPIC_API_KEY", "sk"), ("ANTHROPIC_BASE_URL", "http://127.0.0.1:1"))
    found = dict(environment(AgentFolders(tmp_path), given, root=False, container=None))
    assert "SECRET_OF_THE_HOST" not in found and "IS_SANDBOX" not in found
    assert found["HIVE_WAKE"] == str(tmp_path / "claude" / "wake.sock")
    assert found["PATH"].endswith("/bin")
    more = environment(
        AgentFolders(tmp_path), given, root=False, container=None, commands="/venv/bin"
    )
    assert dict(more)["PATH"] == found["PATH"] + ":/venv/bin"
    assert found["HOME"] == str(tmp_path / "claude") and found["ANTHROPIC_API_KEY"] == "sk"
    assert (
        dict(environment(AgentFolders(tmp_path), given, root=True, container=None))["IS_SANDBOX"]
        == "1"
    )


def test_two_kinds_of_credentials_are_refused(tmp_path):
    given = (("ANTHROPIC_API_KEY", "sk-secret"), ("CLAUDE_CODE_OAUTH_TOKEN", "token"))
    with pytest.raises(CredentialsError) as error:
        environment(AgentFolders(tmp_path), given, root=False, container=None)
    assert "ANTHROPIC_API_KEY, CLAUDE_CODE_OAUTH_TOKEN" in str(error.value)
    assert "secret" not in str(error.value)


def test_credentials_are_not_shown():
    assert "sk-secret" not in repr(
        CliSetup("claude", None, (), (("ANTHROPIC_API_KEY", "sk-secret"),))
    )


# --- session file ------------------------------------------------------------------------------


def test_a_session_is_noted_and_found(tmp_path):
    path = tmp_path / "session"
    assert not session.load(path).known
    new = session.new_session()
    session.save(path, new)
    assert session.load(path) == CliSession(new.id, known=True)


@pytest.mark.parametrize("text", ["", "../../etc", "no uuid\n", "\x00"])
def test_a_damaged_session_file_means_a_new_session(tmp_path, text):
    path = tmp_path / "session"
    path.write_text(text)
    assert not session.load(path).known


@pytest.mark.parametrize("place", ["pipe", "large", "link"])
def test_whatever_lies_in_its_place_means_a_new_session(tmp_path, place):
    path = tmp_path / "session"
    session.save(tmp_path / "other", session.new_session())
    match place:
        case "pipe":
            os.mkfifo(path)
        case "large":
            path.write_bytes(b" " * 100_000 + (tmp_path / "other").read_bytes())
        case "link":
            path.symlink_to("other")
    assert not session.load(path).known


def test_a_session_that_cannot_be_noted_harms_nobody(tmp_path, caplog):
    session.save(tmp_path / "missing" / "session", session.new_session())
    assert "cannot be noted" in caplog.text
