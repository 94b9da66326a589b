"""What lies under a hive is removed, copied, replaced: it goes on, or stops and says why."""

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from support.model_api import ModelApi
from support.running import HIVE, RunningHive, processes_of

LOOKED_AT_S = 30.0
"""Everything is looked at every few seconds."""


def until(true: Callable[[], bool], timeout: float = LOOKED_AT_S) -> None:
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(hive: RunningHive) -> bool:
    return hive.run("status").returncode == 0


def second_up(hive: RunningHive) -> str:
    """`hive up` on a root that has its daemon; what it says."""
    done = subprocess.run(
        [HIVE, "up", "--root", hive.root, "--web", "127.0.0.1:0"],
        env=hive.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1, done.stdout
    return done.stderr


def keepers(hive: RunningHive) -> list[int]:
    pids = [pid for pid, _ in processes_of(str(hive.root))]
    return [pid for pid in pids if b"\0hive-keeper\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_run_folder_that_is_removed_is_made_again(hive: RunningHive, model: ModelApi) -> None:
    assert "one" in hive.ok("send", "manager", "one", "--wait")
    before = keepers(hive)
    assert len(before) == 1
    (hive.root / "run" / "control.sock").unlink()
    (hive.root / "run" / "keepers" / "manager" / "identity").unlink()
    assert f"pid {hive.pid}" in second_up(hive)
    until(lambda: answers(hive))
    until((hive.root / "run" / "keepers" / "manager" / "identity").exists)
    assert hive.keeper("manager") == before[0], "files alone cost nothing"

    shutil.rmtree(hive.root / "run")
    assert f"pid {hive.pid}" in second_up(hive)
    until(lambda: answers(hive))
    assert (hive.root / "run").stat().st_mode & 0o777 == 0o700
    hive.wait_event(lambda e: "still sees the former folder" in e.get("text", ""))
    assert "two" in hive.ok("send", "manager", "two", "--wait")
    assert len(keepers(hive)) == 1 and keepers(hive) != before

    hive.kill_daemon()
    shutil.rmtree(hive.root / "run")
    hive.up()
    assert "three" in hive.ok("send", "manager", "three", "--wait")
    assert len(keepers(hive)) == 1

    shutil.rmtree(hive.root / "run")
    assert "stopped" in hive.ok("down")
    assert hive.process is not None and hive.process.wait(30) == 0
    assert list(processes_of(str(hive.root))) == []


def test_a_copy_of_a_running_root_leaves_the_original_alone(
    hive: RunningHive, model: ModelApi, make_hive: Callable[..., RunningHive], tmp_path: Path
) -> None:
    before = hive.keeper("manager")
    subprocess.run(["cp", "-a", hive.root, tmp_path / "copy"], check=False)  # sockets may vanish
    copy = make_hive(hive.environment, root=tmp_path / "copy")
    assert "nothing runs" in copy.ok("down")
    copy.up()
    assert copy.output is not None
    assert any("is a copy" in line and "manager" in line for line in copy.output.seen)
    assert "copied" in copy.ok("send", "manager", "copied", "--wait")
    assert "stopped" in copy.ok("down")
    assert hive.keeper("manager") == before
    assert "original" in hive.ok("send", "manager", "original", "--wait")
    assert hive.agent("manager")["restarts"] == 0


def test_a_root_that_is_moved_away_stops_its_hive(hive: RunningHive, tmp_path: Path) -> None:
    number = int(hive.ok("send", "manager", "kept"))
    hive.wait_event(lambda e: e["kind"] == "message_moved" and number in e["ids"])
    moved = hive.root.rename(tmp_path / "moved")
    hive.root.mkdir()
    (hive.root / "run").mkdir()
    assert hive.output is not None and hive.process is not None
    # Who sees it first says it: the child that looks at the folder, or the store at a commit.
    hive.output.wait_for(lambda line: "moved" in line and "while the hive ran" in line)
    assert hive.process.wait(60) == 1
    assert [path.name for path in hive.root.iterdir()] in (["run"], [])
    assert list(processes_of(str(hive.root))) == []
    again = RunningHive(moved, hive.environment)
    try:
        again.up()
        assert number in [one["id"] for one in again.json("inbox", "manager")]
        assert "on" in again.ok("send", "manager", "go on", "--wait")
    finally:
        again.clean_up()


def test_a_database_that_is_removed_is_written_again_and_one_that_is_missing_refused(
    hive: RunningHive, model: ModelApi
) -> None:
    database = hive.root / "hive.sqlite"
    number = int(hive.ok("send", "manager", "before"))
    for ending in ("", "-wal", "-shm"):
        Path(f"{database}{ending}").unlink()
    hive.run("send", "manager", "meanwhile")
    until(database.exists)
    until(lambda: answers(hive))
    assert "after" in hive.ok("send", "manager", "after", "--wait")
    assert number in [one["id"] for one in hive.json("inbox", "manager")]
    assert hive.terminate() == 0

    aside = database.rename(hive.root / "aside")
    for make, says in ((lambda: None, "is missing"), (database.touch, "is empty")):
        make()
        before = sorted(hive.root.rglob("*"))
        told = second_up(hive)
        assert says in told and "Restore a backup" in told
        assert f"mv {hive.root}/agents {hive.root}/agents.old" in told
        assert sorted(hive.root.rglob("*")) == before, "nothing was made"
    aside.rename(database)
    hive.up()
    assert number in [one["id"] for one in hive.json("inbox", "manager")]
    other = hive.root / "other"
    shutil.copy(database, other)
    other.rename(database)
    assert hive.output is not None and hive.process is not None
    hive.output.wait_for(lambda line: "was replaced while the hive ran" in line)
    assert hive.process.wait(60) == 1
    assert len(list(hive.root.glob("hive.sqlite.replaced-*"))) == 1
    assert list(processes_of(str(hive.root))) == []
