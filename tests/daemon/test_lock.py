"""One daemon for each root, whatever happens to files in it; the kernel says who that is."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hive import processes
from hive.cli.errors import CommandFailed
from hive.cli.up import _ask_to_stop
from hive.daemon import lock
from hive.daemon.lock import Holder, RootLocked, holder, root_lock
from hive.paths import Paths

HOLDS = """
import os, sys
from pathlib import Path
from hive.daemon.lock import root_lock
from hive.paths import Paths
with root_lock(Paths(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.readline()
print("let go", flush=True)
sys.stdin.read()
"""


def held_by(paths: Paths) -> int | None:
    found = holder(paths)
    return found.process.pid if found and found.process else None


@contextmanager
def another_daemon(paths: Paths) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDS, str(paths.root)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_lock_names_its_holder_and_goes_with_it(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "new" / "root")
    with root_lock(paths):
        assert held_by(paths) == os.getpid()
        with pytest.raises(RootLocked, match=str(os.getpid())), root_lock(paths):
            pass
        assert held_by(paths) == os.getpid()
    assert holder(paths) is None
    with root_lock(paths):
        assert held_by(paths) == os.getpid()


def test_who_has_let_go_of_the_root_still_runs_until_its_end(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    with another_daemon(paths) as process:
        held = holder(paths)
        assert held is not None and held.runs() and process.stdin and process.stdout
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "let go\n"
        assert holder(paths) is None and held.runs()
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not held.runs(), "a zombie has ended"
    assert not held.runs() and not Holder(None).runs()


@pytest.mark.parametrize("gone", ["run/hive.lock", "run", "agents"])
def test_what_is_removed_from_the_root_frees_nothing(tmp_path: Path, gone: str) -> None:
    paths = Paths(tmp_path)
    paths.prepare()
    paths.lock.write_text("0")
    with another_daemon(paths) as process:
        place = tmp_path / gone
        shutil.rmtree(place) if place.is_dir() else place.unlink()
        assert held_by(paths) == process.pid
        with pytest.raises(RootLocked, match=rf"pid {process.pid}\b"), root_lock(paths):
            pass
    assert holder(paths) is None


@pytest.mark.parametrize("text", ["", "0", "1", "99999999999999999999"])
def test_a_daemon_of_an_earlier_version_is_found_whatever_its_file_says(
    tmp_path: Path, text: str
) -> None:
    paths = Paths(tmp_path)
    paths.prepare()
    paths.lock.write_text(text)
    with paths.lock.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert held_by(paths) == os.getpid()
        with pytest.raises(RootLocked, match=rf"pid {os.getpid()}\b"), root_lock(paths):
            pass
    assert holder(paths) is None


def test_a_lock_of_another_file_with_the_same_number_is_no_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = Paths(tmp_path)
    paths.prepare()
    with another_daemon(paths):
        monkeypatch.setattr(processes, "_has_open", lambda *_: False)  # as on another filesystem
        assert held_by(paths) is None


def test_a_look_at_the_lock_does_not_keep_a_daemon_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = Paths(tmp_path)
    look = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(look, fcntl.LOCK_SH)
    monkeypatch.setattr(lock, "holder", lambda _: os.close(look))  # nobody; the look is over
    with root_lock(paths):
        pass


def test_a_holder_that_cannot_be_seen_is_not_signalled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CommandFailed, match="stop it where it was started"):
        _ask_to_stop(tmp_path, Holder(None))


def test_a_holder_that_ended_meanwhile_is_not_signalled(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    with another_daemon(paths) as process:
        found = holder(paths)
        assert found is not None
        process.kill()
        process.wait()
    _ask_to_stop(tmp_path, found)


def test_another_root_in_the_same_place_is_free(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "root")
    with root_lock(paths) as place:
        paths.root.rename(tmp_path / "moved")
        with root_lock(paths) as other:
            assert other != place
        with pytest.raises(RootLocked), root_lock(Paths(tmp_path / "moved")):
            pass
