"""Wrong input gets a clear error and an exit code, and the hive goes on."""

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from support.model_api import ModelApi
from support.running import RunningHive, scrubbed

BAD_NAMES = ["", "..", "../x", "A", "1a", "a" * 32, "ä", "a/b", "a b", "-a", "operator", "a\n"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_name_is_a_usage_error(name: str, tmp_path: Path) -> None:
    hive = RunningHive(tmp_path / "none", scrubbed())
    done = hive.run("spawn", "--", name)
    assert done.returncode == 2, done.stderr
    assert "name" in done.stderr


def test_without_a_daemon_the_exit_code_is_3(tmp_path: Path) -> None:
    hive = RunningHive(tmp_path / "none", scrubbed())
    for arguments in (("status",), ("send", "manager", "x"), ("inbox",), ("events",)):
        done = hive.run(*arguments)
        assert done.returncode == 3, arguments
        assert "hive up" in done.stderr


def test_a_page_for_other_machines_is_refused(tmp_path: Path) -> None:
    hive = RunningHive(tmp_path / "none", scrubbed())
    done = hive.run("up", "--web", "0.0.0.0:8000")
    assert done.returncode == 2 and "no login yet" in done.stderr


def test_without_credentials_it_says_what_to_do(tmp_path: Path) -> None:
    hive = RunningHive(tmp_path / "none", scrubbed())
    done = hive.run("up")
    assert done.returncode == 1
    assert "ANTHROPIC_API_KEY" in done.stderr and "--demo" in done.stderr


def test_two_credentials_are_refused_and_not_shown(tmp_path: Path) -> None:
    both = scrubbed(ANTHROPIC_API_KEY="secret-key", CLAUDE_CODE_OAUTH_TOKEN="secret-token")
    done = RunningHive(tmp_path / "none", both).run("up")
    assert done.returncode == 1 and "both" in done.stderr
    assert "secret" not in done.stderr + done.stdout


def test_what_cannot_be_sent_is_refused_with_the_rule(hive: RunningHive) -> None:
    unknown = hive.run("send", "nobody", "hello")
    assert unknown.returncode == 1 and "manager" in unknown.stderr
    large = hive.run("send", "manager", "-", stdin="x" * 16385)
    assert large.returncode == 1 and "16384" in large.stderr and "file" in large.stderr
    empty = hive.run("send", "manager", "")
    assert empty.returncode == 1 and "empty" in empty.stderr
    assert hive.json("inbox", "manager") == []
    assert hive.run("inbox", "nobody").returncode == 1
    assert hive.run("stop", "nobody").returncode == 1
    assert {entry["outcome"] for entry in hive.json("audit")} == {"refused"}
    assert "refused: there is no agent 'nobody'" in hive.ok("audit")


def test_garbage_on_every_socket_harms_nobody(hive: RunningHive) -> None:
    sockets = ["control.sock", "web.sock", "agents/manager/hive.sock"]
    for name in sockets:
        for garbage in (b"\0" * 70000, b"GET / HTTP/1.1\r\n\r\n", b"{}\n", b""):
            with socket.socket(socket.AF_UNIX) as raw:
                raw.connect(str(hive.root / "run" / name))
                try:
                    raw.sendall(garbage)
                    raw.shutdown(socket.SHUT_WR)
                    while raw.recv(65536):
                        pass
                except (BrokenPipeError, ConnectionResetError):
                    pass  # it hung up on us, as it may
    assert hive.agent("manager")["state"] == "running"
    assert "alive" in hive.ok("send", "manager", "alive", "--wait", "--timeout", "60")


def test_credentials_show_nowhere(hive: RunningHive) -> None:
    hive.ok("send", "manager", "hello", "--wait", "--timeout", "60")
    secret = b"test-key-1234"
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            assert secret not in (folder / "cmdline").read_bytes()
        except OSError:
            continue
    for file in (path for path in hive.root.rglob("*") if path.is_file()):
        inside_claudes_home = "claude" in file.relative_to(hive.root).parts
        assert inside_claudes_home or secret not in file.read_bytes(), file


def test_a_root_with_blanks_quotes_and_letters_of_any_kind_works(
    model: ModelApi, make_hive: Callable[..., RunningHive], tmp_path: Path
) -> None:
    hive = make_hive(model.environment, root=tmp_path / "a 'größe' $(x)")
    hive.up()
    said = hive.ok("send", "manager", "grüße \U0001f600", "--wait", "--timeout", "60")
    assert "grüße \U0001f600" in said
    (sent,) = [one for one in hive.json("audit") if one["action"] == "send"]
    assert sent["outcome"] == "done" and "by command line, pid" in sent["who"]
    os.kill(hive.pid, signal.SIGSTOP)
    try:
        stopped = hive.run("send", "manager", "x")
    finally:
        os.kill(hive.pid, signal.SIGCONT)
    assert stopped.returncode == 4 and f"kill -CONT {hive.pid}" in stopped.stderr
