"""`hive ls` and `hive cat` over the real socket: what an agent has put into its folder."""

import fcntl
import json
import os
import pty
import signal
import subprocess
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define
from click.testing import CliRunner, Result
from support.fake_control import control
from support.operator_socket import listen
from support.running import HIVE, scrubbed

from hive.cli import main
from hive.directory import AgentRecord, Directory
from hive.link import RemoteError, connect
from hive.operator import files
from hive.operator.audit import AuditLog
from hive.paths import Paths
from hive.store import MIGRATIONS, open_store
from hive.wire.bodies import Body
from hive.wire.bounds import ANSWER_CAP, MOST_PART, MOST_ROWS
from hive.wire.codec import PROTOCOL, encode
from hive.wire.files import FileKind, FilePart, ListFiles, ReadFile
from hive.wire.frames import Hello

HOSTILE = "\x1b]0;title\x07\x1b[2J\r\u202emoc\x9b31m"


@define
class FileCommands:
    """As much of a hive as these requests need; its agent is `ann`, which does not run."""

    paths: Paths
    audit: AuditLog

    @property
    def state(self) -> Path:
        return self.paths.agent("ann").state

    async def command(self, *arguments: str) -> Result:
        """`hive …` in a thread, so that the daemon's side can answer."""
        invoke = partial(CliRunner().invoke, main, [*arguments, "--root", str(self.paths.root)])
        with trio.fail_after(30):
            return await trio.to_thread.run_sync(invoke)

    async def fails(self, *arguments: str) -> str:
        """What a command says that fails with exit code 1."""
        done = await self.command(*arguments)
        assert done.exit_code == 1, done.output
        return done.stderr

    async def ask(self, body: Body) -> Any:
        async with connect(self.paths.control, Hello(PROTOCOL, "operator", "x")) as (peer, _):
            return await peer.request(body, timeout=15)


@pytest.fixture
async def hive(tmp_path: Path) -> AsyncIterator[FileCommands]:
    paths = Paths(tmp_path)
    paths.prepare()
    async with open_store(paths.database, MIGRATIONS) as store, trio.open_nursery() as nursery:
        directory = Directory(store)
        await directory.create(AgentRecord("ann", "none"))
        hive = FileCommands(paths, AuditLog(store))
        (hive.state / "notes").mkdir(parents=True)
        (hive.state / "notes/plan.md").write_text("the plan\n")
        await listen(nursery, paths, files.table(paths, directory), hive.audit)
        yield hive
        nursery.cancel_scope.cancel()


async def test_files_are_listed_and_shown(hive: FileCommands) -> None:
    (hive.state / "link").symlink_to("notes")
    os.utime(hive.state / "notes/plan.md", (0, 86400))
    top = await hive.command("ls", "ann")
    assert top.exit_code == 0
    assert [line.split()[0] for line in top.output.splitlines()] == ["KIND", "link", "folder"]
    below = await hive.command("ls", "ann:notes/")
    header, line = below.output.splitlines()
    assert header.split() == ["KIND", "SIZE", "CHANGED", "UID", "NAME"]
    assert line.split()[:2] == ["file", "9"] and "1970-01-" in line
    assert line.split()[-2:] == [str(os.geteuid()), "plan.md"]
    assert (await hive.command("cat", "ann:notes/plan.md")).stdout_bytes == b"the plan\n"
    (hive.state / "empty").mkdir()
    assert (await hive.command("ls", "ann:empty")).output == "no files\n"


async def test_the_list_as_json(hive: FileCommands) -> None:
    os.utime(hive.state / "notes/plan.md", (0, 1.5))
    found = json.loads((await hive.command("ls", "ann:notes", "--json")).output)
    plan = {"name": "plan.md", "kind": "file", "size": 9, "mtime": 1.5, "uid": os.geteuid()}
    assert found == {"entries": [plan], "more": False}
    one = json.loads((await hive.command("ls", "ann:notes/plan.md", "--json")).output)
    assert one == found


async def test_what_cannot_be_shown_says_why_and_what_to_do(hive: FileCommands) -> None:
    (hive.state / "link").symlink_to("../../../hive.sqlite")
    os.mkfifo(hive.state / "pipe")
    with (hive.state / "huge").open("wb") as file:
        file.truncate(1 << 40)
    assert "there are: ann" in await hive.fails("ls", "bob")
    assert "there are: ann" in await hive.fails("cat", "bob:x")
    missing = await hive.fails("cat", "ann:notes/none")
    assert "there is no ann:notes/none: `hive ls ann` shows" in missing
    assert "ann:notes is a folder: " in await hive.fails("cat", "ann:notes")
    assert "ann:link is a link: " in await hive.fails("cat", "ann:link")
    assert "ann:link is a link: " in await hive.fails("ls", "ann:link/x")
    assert "ann:pipe is a fifo: " in await hive.fails("cat", "ann:pipe")
    huge = await hive.fails("cat", "ann:huge")
    assert f"ann:huge has {1 << 40} bytes, more than {1 << 28}" in huge and str(hive.state) in huge
    assert "absolute" in await hive.fails("ls", "ann:/etc")
    assert "'..'" in await hive.fails("cat", "ann:../claude/.claude.json")
    assert "backslash" in await hive.fails("cat", r"ann:a\b")
    for words in (("cat", "ann"), ("cat", "ann:"), ("ls", ""), ("ls", "Ann"), ("ls", "-"), ("ls",)):
        assert (await hive.command(*words)).exit_code == 2, words
    assert await hive.audit.newest(5) == (), "nothing was changed"


async def test_an_agent_that_has_not_started_yet_has_no_files(hive: FileCommands) -> None:
    hive.state.rename(hive.state.with_name("away"))
    assert "ann has no files yet: " in await hive.fails("ls", "ann")
    hive.state.symlink_to("away")
    assert "ann: cannot be read: Not a directory" in await hive.fails("ls", "ann")


async def test_a_file_that_must_not_be_read_says_so(
    hive: FileCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> object:
        raise PermissionError(13, "Permission denied", "/proc/self/fd/7")

    monkeypatch.setattr(files, "read_part", refused)
    said = await hive.fails("cat", "ann:notes/plan.md")
    assert "ann:notes/plan.md cannot be read: Permission denied" in said


async def test_a_file_whose_lease_the_agent_holds_is_not_waited_for(hive: FileCommands) -> None:
    file = os.open(hive.state / "notes/plan.md", os.O_RDWR)
    try:
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGWINCH)  # which nobody minds
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        said = await hive.fails("cat", "ann:notes/plan.md")
    finally:
        os.close(file)
    assert "holds a lease of ann:notes/plan.md: try again" in said


async def test_a_name_of_any_bytes_is_listed_in_a_form_that_can_be_given_back(
    hive: FileCommands,
) -> None:
    names = {b"caf\xe9": r"caf\xe9", b"a\nb": r"a\x0ab", b"back\\slash": r"back\\slash"}
    names[HOSTILE.encode()] = r"\x1b]0;title\x07\x1b[2J\x0d\xe2\x80\xaemoc\xc2\x9b31m"
    for name in names:
        (hive.state / os.fsdecode(name)).write_bytes(name)
    text = (await hive.command("ls", "ann")).output
    assert all(c.isprintable() for line in text.splitlines() for c in line)
    found = json.loads((await hive.command("ls", "ann", "--json")).output)
    shown = {entry["name"] for entry in found["entries"]}
    assert shown == {*names.values(), "notes"}
    for name, given in names.items():
        assert given in text
        assert (await hive.command("cat", f"ann:{given}")).stdout_bytes == name


async def test_every_byte_comes_through_a_pipe_by_as_many_parts_as_it_takes(
    hive: FileCommands,
) -> None:
    file = hive.state / "file"
    contents = (
        b"",
        bytes(range(256)) * 1000,
        ("x" + "€" * MOST_PART).encode(),  # a character lies across the end of each part
        b"x" * MOST_PART + b"\xe2\x82",  # the last one is incomplete
        b"\x00" * (MOST_PART + 1),
    )
    for content in contents:
        file.write_bytes(content)
        assert (await hive.command("cat", "ann:file")).stdout_bytes == content


async def test_a_part_says_what_it_is_and_always_fits_into_an_answer(hive: FileCommands) -> None:
    file = hive.state / "file"
    file.write_bytes("ä€".encode())
    whole = await hive.ask(ReadFile("ann", "file"))
    assert (whole.content, whole.is_text, whole.size) == ("ä€", True, 5)
    cut = await hive.ask(ReadFile("ann", "file", 0, 4))
    assert (cut.content, cut.is_text, cut.file) == ("ä", True, whole.file)
    inside = await hive.ask(ReadFile("ann", "file", 3))
    assert not inside.is_text and inside.data == "€".encode()[1:]
    assert (await hive.ask(ReadFile("ann", "file", 5))).data == b""
    assert (await hive.ask(ReadFile("ann", "file", 2**63))).data == b""
    with pytest.raises(RemoteError, match="0 or more"):
        await hive.ask(ReadFile("ann", "file", -1))
    for byte in (b"\x01", b"\xff", b'"', b"\x7f"):
        file.write_bytes(byte * (MOST_PART + 9))
        part = await hive.ask(ReadFile("ann", "file", 0, 2**40))
        assert len(part.data) == MOST_PART and len(encode(part)) <= ANSWER_CAP + 200
        assert part.is_text == (byte != b"\xff")
    assert len((await hive.ask(ReadFile("ann", "file", 0, -5))).data) == 4


async def test_a_very_large_folder_is_cut_and_says_so(hive: FileCommands) -> None:
    for number in range(MOST_ROWS + 1):
        (hive.state / "notes" / f"{number:04}").touch()
    listed = await hive.ask(ListFiles("ann", "notes"))
    assert listed.more and len(listed.entries) == MOST_ROWS
    assert listed.entries[0].name == "0000" and listed.entries[0].kind is FileKind.FILE
    text = (await hive.command("ls", "ann:notes")).output
    assert text.endswith(f"(only the first {MOST_ROWS} are listed, there are more)\n")


async def test_a_list_always_fits_into_an_answer(hive: FileCommands) -> None:
    for number in range(MOST_ROWS):
        (hive.state / "notes" / (f"{number:04}" + "\x01" * 251)).mkdir()
    listed = await hive.ask(ListFiles("ann", "notes"))
    assert listed.more and 500 < len(listed.entries) < MOST_ROWS


async def test_a_slow_disk_stops_neither_the_loop_nor_others_for_ever(
    hive: FileCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More requests wait on a disk than there are threads; each ends in its time."""
    slow, begun = threading.Event(), threading.Semaphore(0)
    read_part = files.read_part

    def stuck(*arguments: Any) -> Any:
        begun.release()
        assert slow.wait(30)
        return read_part(*arguments)

    monkeypatch.setattr(files, "read_part", stuck)
    monkeypatch.setattr(files, "WITHIN_S", 0.2)
    refused = 0

    async def one() -> None:
        nonlocal refused
        with pytest.raises(RemoteError, match="the disk is slow") as told:
            await hive.ask(ReadFile("ann", "notes/plan.md"))
        assert told.value.code == "too_slow"
        refused += 1

    try:
        async with trio.open_nursery() as nursery:
            for _ in range(files.MOST_THREADS + 2):
                nursery.start_soon(one)
        assert refused == files.MOST_THREADS + 2
        assert all(begun.acquire(timeout=10) for _ in range(files.MOST_THREADS))
        assert not begun.acquire(blocking=False)
    finally:
        slow.set()
    monkeypatch.setattr(files, "read_part", read_part)
    monkeypatch.setattr(files, "WITHIN_S", 10.0)
    assert (await hive.ask(ReadFile("ann", "notes/plan.md"))).content == "the plan\n"


# --- the command alone ---------------------------------------------------------------------------


def part(data: bytes, size: int, file: str = "1:1") -> FilePart:
    return FilePart(data.decode(), True, size, file)


def run_cat(root: Path, answer: Callable[[Body], Body]) -> tuple[Result, list[Body]]:
    with control(root, answer) as asked:
        return CliRunner().invoke(main, ["cat", "ann:x", "--root", str(root)]), asked


def test_a_file_that_grows_for_ever_is_shown_as_long_as_it_was(tmp_path: Path) -> None:
    def answer(asked: Body) -> Body:
        assert isinstance(asked, ReadFile)
        return part(b"x" * 10, 25 + asked.offset)

    done, asked = run_cat(tmp_path, answer)
    assert (done.exit_code, done.output) == (0, "x" * 25)
    assert [one.offset for one in asked if isinstance(one, ReadFile)] == [0, 10, 20]


def test_a_file_that_shrinks_ends_where_it_ends(tmp_path: Path) -> None:
    def answer(asked: Body) -> Body:
        assert isinstance(asked, ReadFile)
        return part(b"" if asked.offset else b"x" * 10, 25)

    assert run_cat(tmp_path, answer)[0].output == "x" * 10


def test_a_file_that_is_replaced_is_not_shown_as_if_it_were_one(tmp_path: Path) -> None:
    def answer(asked: Body) -> Body:
        assert isinstance(asked, ReadFile)
        return part(b"x", 9, f"1:{asked.offset}")

    done, _ = run_cat(tmp_path, answer)
    assert done.exit_code == 1 and "was replaced while it was read" in done.stderr
    assert done.stdout == "x"


def test_on_a_terminal_nothing_in_a_file_drives_it(tmp_path: Path) -> None:
    data = f"line\n\ttab {HOSTILE}ä".encode() + b"\xff\xe2\x82"

    def answer(asked: Body) -> Body:
        assert isinstance(asked, ReadFile)
        return FilePart(*files._content(data[asked.offset : asked.offset + 25]), len(data), "1:1")

    master, terminal = pty.openpty()
    with control(tmp_path, answer):
        done = subprocess.run(
            [HIVE, "cat", "ann:x", "--root", tmp_path],
            env=scrubbed(LANG="C.UTF-8", TERM="xterm"),
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(master, 4096):
            shown += chunk
    except OSError:  # how Linux says that nobody has the other side open
        pass
    os.close(master)
    assert done.returncode == 0, done.stderr
    text = shown.decode().replace("\r\n", "\n")
    assert all(c.isprintable() or c in "\n\t " for c in text), text
    assert text.startswith("line\n") and r"\x1b]0;title\x07\x1b[2J\r\u202emoc\x9b31mä" in text
    assert text.endswith(r"\xff\xe2\x82")


def test_in_any_locale_the_path_is_the_one_that_was_typed(tmp_path: Path) -> None:
    root, paths = tmp_path / "root", ["größe".encode(), b"-", rb"a:b\\c"]
    with control(root, lambda _: part(b"", 0)) as asked:
        for path in (*paths, b"\xff"):
            done = subprocess.run(
                [HIVE, "cat", b"ann:" + path, "--root", root],
                env=scrubbed(LC_ALL="C", PYTHONUTF8="0"),
                capture_output=True,
                timeout=60,
            )
            assert done.returncode == (2 if path == b"\xff" else 0), done.stderr
    assert b"is not UTF-8" in done.stderr
    assert [one.path.encode() for one in asked if isinstance(one, ReadFile)] == paths
