"""Bytes that are not text, texts that a terminal cannot show, and texts of any length and shape:
each works or is refused in words.
"""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fake_control import control
from support.running import HIVE, scrubbed

from hive.cli.options import check_words, text_argument
from hive.paths import Paths, check_root
from hive.wire.bodies import Body
from hive.wire.daemon import Done, GetStatus, Status
from hive.wire.events import Events, GetEvents, LiveEvent
from hive.wire.logins import SetCredential
from hive.wire.messages import GetInbox, Inbox, Message, OperatorSend, Sent
from hive.wire.states import AgentState
from hive.wire.tree import TreeCommand, TreeNode
from hive.wire.turns import Text

BODY = "ä€\U0001f600 \u202e\x1b[2J\x00"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
NARROW = [{"LANG": "C"}, ASCII, {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}]


def answer(body: Body) -> Body:
    match body:
        case OperatorSend():
            return Sent(1)
        case GetInbox():
            return Inbox((Message(1, "ann", "operator", BODY, 1.0),))
        case GetEvents():
            return Events((LiveEvent(1, 1.0, "ann", Text("t", BODY)),), 1)
        case GetStatus():
            tree = TreeNode("hive", "supervisor", AgentState.RUNNING, 1.0)
            return Status(1, "/a/größe", 0, (), tree, notices=(BODY,))
    return Done()


class Daemon:
    """What it was asked, and `hive` as its own process, so that the locale is its own."""

    def __init__(self, root: Path, asked: list[Body]) -> None:
        self.root, self.asked = root, asked

    def run(
        self,
        *words: str | bytes,
        stdin: bytes | None = None,
        closed: bool = False,
        root: str | bytes | None = None,
        cwd: Path | None = None,
        **environment: str,
    ) -> "subprocess.CompletedProcess[bytes]":
        argv = [str(HIVE), *words, "--root", self.root if root is None else root]
        if closed:
            argv = ["sh", "-c", 'exec "$@" <&-', "sh", *argv]
        done = subprocess.run(
            argv,
            env=scrubbed(**environment),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=60,
            cwd=cwd,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode(errors="replace")
        return done


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with control(tmp_path / "größe", answer) as asked:
        yield Daemon(tmp_path / "größe", asked)


@pytest.mark.parametrize(
    "words",
    [
        ("send", "ann", b"caf\xe9"),
        ("park", "ann", "--reason", b"\xfe"),
        ("gate", "hold", b"\xff"),
        ("up", "--config", b"/\xff.toml"),
        (b"\xff",),
    ],
)
def test_an_argument_that_is_not_utf_8_is_wrong_usage(
    daemon: Daemon, words: tuple[str | bytes, ...]
) -> None:
    done = daemon.run(*words)
    assert done.returncode == 2 and b"is not UTF-8" in done.stderr
    assert daemon.asked == []


def test_standard_input_that_is_not_utf_8_says_which_byte(daemon: Daemon) -> None:
    done = daemon.run("send", "ann", "-", stdin=b"caf\xe9 au lait")
    assert done.returncode == 2
    assert b"not UTF-8 (byte 0xe9 at 3)" in done.stderr and b"iconv" in done.stderr
    assert daemon.run("answer", "1", "-", stdin=b"\xff").returncode == 2
    edit = daemon.run("schedules", "edit", "1", "--text", "-", stdin=b"\xff")
    assert edit.returncode == 2 and daemon.asked == []


def test_standard_input_that_is_closed_or_endless_is_told(daemon: Daemon) -> None:
    done = daemon.run("send", "ann", "-", closed=True)
    assert done.returncode == 1 and b"standard input is closed" in done.stderr
    done = daemon.run("login", "--credential", "work", closed=True)
    assert done.returncode == 1 and b"standard input is closed" in done.stderr
    done = daemon.run("send", "ann", "-", stdin=b"x" * (1 << 20) + b"y")
    assert done.returncode == 1 and b"more than 1048576 bytes" in done.stderr
    done = daemon.run("send", "ann", "-", stdin=b"\x01" * (1 << 19))
    assert done.returncode == 2 and b"cannot be sent" in done.stderr
    assert daemon.asked == []


@pytest.mark.parametrize("environment", [{}, ASCII, {"LANG": "C"}])
def test_text_is_sent_as_it_is_in_every_locale(
    daemon: Daemon, environment: dict[str, str], tmp_path: Path
) -> None:
    with control(tmp_path / "plain", answer) as asked:
        plain = Daemon(tmp_path / "plain", asked)
        plain.run("send", "ann", "grüße \U0001f600".encode(), **environment)
        plain.run("send", "ann", "-", stdin="grüße\n\0".encode(), **environment)
    assert [one.body for one in asked if isinstance(one, OperatorSend)] == [
        "grüße \U0001f600",
        "grüße\n\0",
    ]


@pytest.mark.parametrize(
    ("environment", "what"),
    [*((one, "inbox") for one in NARROW), (NARROW[-1], "events"), (NARROW[-1], "status")],
)
def test_any_text_is_shown_by_a_terminal_of_any_encoding(
    tmp_path: Path, environment: dict[str, str], what: str
) -> None:
    with control(tmp_path / "plain", answer) as asked:
        daemon = Daemon(tmp_path / "plain", asked)
        done = daemon.run(what, **environment)
        assert done.returncode == 0
        assert b"\\u202e\\x1b[2J\\x00" in done.stdout, "nothing in it drives the terminal"
        shown = daemon.run(what, "--json", **environment)
    assert shown.returncode == 0
    assert json.dumps(json.loads(shown.stdout)).count("\\u202e\\u001b[2J\\u0000") == 1


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("up", b"\xff\xfe"),
        ("up", b"a\nb"),
        ("down", b"a\x1b[2J"),
        ("web", "a\u202eb".encode()),
        ("agents", b""),
    ],
)
def test_a_root_that_cannot_be_said_is_refused_before_anything_is_made(
    tmp_path: Path, word: str, name: bytes
) -> None:
    root = os.fsencode(tmp_path) + b"/" + name if name else b""
    done = Daemon(tmp_path, []).run(word, root=root)
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []
    assert b"\x1b" not in done.stderr


def test_a_root_from_the_environment_or_behind_a_link_is_looked_at_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / os.fsdecode(b"\xff")
    odd.mkdir()
    (tmp_path / "link").symlink_to(odd)
    with pytest.raises(ValueError, match="not UTF-8"):
        check_root(tmp_path / "link")
    for name in ("a b", "größe", "'\"$x`"):
        assert check_root(tmp_path / name) == tmp_path / name
    monkeypatch.chdir(tmp_path)
    assert check_root(Path("x")) == tmp_path / "x"
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ValueError, match="gone"):
        check_root(Path("x"))
    monkeypatch.chdir("/")
    done = subprocess.run(
        [HIVE, "status"],
        env=scrubbed(HIVE_ROOT=str(odd)),
        capture_output=True,
    )
    assert done.returncode == 2 and b"is not UTF-8" in done.stderr


def test_what_another_locale_could_read_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def latin(text: str) -> bytes:
        return text.encode("latin-1", "surrogateescape")

    monkeypatch.setattr(os, "fsencode", latin)
    check_words(["größe\n"])
    assert text_argument("größe\n") == "größe\n"


def test_empty_and_huge_values_are_told_in_words(daemon: Daemon) -> None:
    huge = "9" * 30
    for words in (
        ("send", "ann", "x", "--in-reply-to", huge),
        ("send", "ann", "x", "--wait", "--timeout", "nan"),
        ("retry", huge),
        ("spawn", ""),
    ):
        done = daemon.run(*words)
        assert done.returncode == 2, (words, done.stderr)
    assert daemon.asked == []
    assert daemon.run("send", "ann", "x" * 100_000).returncode == 0


def test_a_secret_of_any_bytes_is_never_repeated(daemon: Daemon) -> None:
    done = daemon.run("login", "--credential", "work", stdin=b"sk-ant-api03-\xff\xfe")
    assert b"api03" not in done.stdout + done.stderr
    (kept,) = [one for one in daemon.asked if isinstance(one, SetCredential)]
    assert kept.api_key is not None and "\ufffd" in kept.api_key, "which the daemon refuses"


def test_a_text_with_escapes_reaches_the_daemon_as_text(daemon: Daemon) -> None:
    assert daemon.run("park", "ann", "--reason", "a\nb\x1b[2J").returncode == 0
    (park,) = daemon.asked
    assert isinstance(park, TreeCommand) and park.reason == "a\nb\x1b[2J"


def test_a_path_that_is_too_long_is_no_daemon(daemon: Daemon) -> None:
    done = daemon.run("agents", root="/" + "x" * 5000)
    assert done.returncode == 3 and b"too long" in done.stderr


def test_a_socket_in_the_place_of_the_root(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "root"))
        done = Daemon(tmp_path / "root", []).run("agents")
    assert done.returncode in (2, 3) and str(Paths(tmp_path / "root").root).encode() in done.stderr
