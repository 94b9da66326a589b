"""Running git: what it is kept from, and that it ends."""

import os
import subprocess
from pathlib import Path

import pytest
import trio

from hive import git
from hive.git import (
    GitFailed,
    GitOutputTooLong,
    GitTimedOut,
    GitUnavailable,
    check_git,
    escaped_line,
    git_environment,
    identity,
    run_git,
    run_program,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    subprocess.run(("git", "init", "--quiet", "--bare", tmp_path / "x.git"), check=True)
    return tmp_path / "x.git"


def shell(script: str, tmp_path: Path) -> tuple[tuple[str, ...], dict[str, str], str]:
    """A program in git's place."""
    return ("sh", "-c", script), git_environment(tmp_path), "git something"


async def test_it_answers(folder: Path) -> None:
    blob = (await run_git(folder, "hash-object", "-w", "--stdin", data=b"x" * 300_000)).strip()
    assert await run_git(folder, "cat-file", "blob", blob.decode()) == b"x" * 300_000


async def test_the_machine_configures_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = somebody\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "somebody")
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'user.email=somebody'")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "touch")
    scopes = await run_git(folder, "config", "--list", "--show-scope")
    assert {line.split(b"\t")[0] for line in scopes.splitlines()} == {b"local", b"command"}
    assert b"somebody" not in scopes
    assert await run_git(folder, "rev-parse", "--git-path", "objects") != str(tmp_path).encode()


async def test_it_makes_commits_of_whom_and_when_it_is_told(folder: Path) -> None:
    who = identity("A Name", "a@example", 1_000_000_000)
    commit = await run_git(folder, "commit-tree", git.EMPTY_TREE, "-m", "x", extra=who)
    text = await run_git(folder, "cat-file", "commit", commit.decode().strip())
    assert text.count(b" A Name <a@example> 1000000000 +0000\n") == 2


@pytest.mark.parametrize("address", ["ext::touch x", "file:///etc", "/etc", "https://127.0.0.1:1"])
async def test_it_speaks_no_protocol(folder: Path, address: str) -> None:
    with pytest.raises(GitFailed, match="not allowed"):
        await run_git(folder, "fetch", "--", address)


async def test_a_failure_tells_what_was_run_and_said_on_one_line(folder: Path) -> None:
    with pytest.raises(GitFailed) as failed:
        await run_git(folder, "cat-file", "-t", "no\x1b[31m\nsuch")
    assert str(failed.value).startswith(
        r"`git cat-file -t no\x1b[31m such` ended with status 128: "
    )
    assert str(failed.value).isprintable()
    assert failed.value.status == 128


async def test_what_it_says_is_bounded(tmp_path: Path) -> None:
    with pytest.raises(GitFailed) as failed:
        await run_program(*shell("yes error | head -c 3000000 >&2; exit 3", tmp_path))
    assert len(str(failed.value)) < 500


async def test_too_much_output_ends_it(tmp_path: Path) -> None:
    with (
        trio.fail_after(10),
        pytest.raises(GitOutputTooLong, match="more than the 10 bytes") as too,
    ):
        await run_program(*shell("yes", tmp_path), most=10)
    assert too.value.begin == b"y\n" * 5


async def test_who_reads_no_input_is_no_trouble(tmp_path: Path) -> None:
    data = b"x" * 1_000_000
    assert await run_program(*shell("echo done", tmp_path), data=data) == b"done\n"


def group_of(tmp_path: Path) -> int:
    return int((tmp_path / "pid").read_text())


def running(group: int) -> bool:
    """Whether a process of that group runs; a zombie that nobody of ours reaps does not."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            return True
    return False


async def assert_gone(group: int) -> None:
    """All were killed; one whose parent had gone before may need a moment to be dead."""
    with trio.fail_after(10):
        while True:
            if not running(group):
                return
            await trio.sleep(0.005)


BUSY = 'echo $$ > "$GIT_DIR/pid"; sleep 1000 & sleep 1000'
LEFT_BEHIND = 'echo $$ > "$GIT_DIR/pid"; sleep 1000 & exit 0'


@pytest.mark.parametrize("script", [BUSY, LEFT_BEHIND])
async def test_a_deadline_ends_the_whole_group(tmp_path: Path, script: str) -> None:
    with pytest.raises(GitTimedOut, match=r"did not end within 0\.5 s and was killed"):
        await run_program(*shell(script, tmp_path), within=0.5)
    await assert_gone(group_of(tmp_path))


async def test_a_stopped_one_is_ended_too(tmp_path: Path) -> None:
    script = 'echo $$ > "$GIT_DIR/pid"; kill -STOP $$'
    with trio.fail_after(10), pytest.raises(GitTimedOut):
        await run_program(*shell(script, tmp_path), within=0.5)
    await assert_gone(group_of(tmp_path))


async def test_who_is_cancelled_leaves_no_process(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "started")
    script = f'{BUSY.partition(";")[0]}; echo > "$GIT_DIR/started"; sleep 1000 & sleep 1000'
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_program, *shell(script, tmp_path))
        await trio.to_thread.run_sync((tmp_path / "started").read_bytes)
        nursery.cancel_scope.cancel()
    await assert_gone(group_of(tmp_path))


async def test_too_much_memory_is_refused(folder: Path) -> None:
    data, arguments = bytes(48 << 20), ("hash-object", "--stdin")
    assert await run_git(folder, *arguments, data=data, memory=1 << 30)
    with pytest.raises(GitFailed, match=r"memory|malloc"):
        await run_git(folder, *arguments, data=data, memory=32 << 20)


async def test_a_machine_without_git_is_told_to_install_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await check_git()
    monkeypatch.setenv("PATH", "/nowhere")
    for ask in (check_git, lambda: run_git(folder, "version")):
        with pytest.raises(GitUnavailable, match="apt-get install git"):
            await ask()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("git version 2.31.9", "too old"),
        ("git version 1.99", "too old"),
        ("gut version 9.9", "too old"),
        ("", "too old"),
        ("'; exit 1 #", "does not work"),
        ("git version 2.32.0", None),
        ("git version 3.0", None),
    ],
)
async def test_an_old_git_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, words: str | None
) -> None:
    (tmp_path / "git").write_text(f"#!/bin/sh\necho '{said}'\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    if words is None:
        await check_git()
        return
    with pytest.raises(GitUnavailable, match=f"{words}.*install git"):
        await check_git()


def test_nothing_invisible_is_left_on_a_line() -> None:
    said = "a\tb\nc\r\x1b\u202e\u200b\u2028ä😀"
    assert escaped_line(said) == "a b c\\r\\x1b\\u202e\\u200b\\u2028ä😀"
    assert escaped_line(" a\r\nb\tc ") == r"a\r b c"
    assert escaped_line("x" * 1000, 10) == "x" * 9 + "…"
