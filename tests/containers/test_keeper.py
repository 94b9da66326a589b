"""Containers outlive who started them, are found again, and are never two."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from hive import processes
from hive.containers import (
    AlreadyRunning,
    Bubblewrap,
    Container,
    Driver,
    Handle,
    UnsafeProcess,
    destroy,
    folders,
    forget_foreign,
    handle,
    keeper,
    kill_container,
    known_names,
    last_exit,
    list_containers,
)
from hive.containers.folders import LOG_ROTATES_AT
from hive.containers.keeper import find, is_locked
from hive.processes import boot_id, read_process

GO = "while [ ! -e {state}/go ]; do sleep 0.01; done; exit 7"
FOREVER = "sleep {word} & setsid sleep {word} & sleep {word}"

# Starts a container and dies at once; with "early" between the keeper's fork and what follows.
STARTER = """
import os, signal, sys, trio
from pathlib import Path
import hive.containers.keeper as keeper
from hive.containers import Bubblewrap, Container, UnsafeProcess

root, kind, when, script = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if when == "early":
    keeper.read_process = die

async def main():
    bubblewrap = Bubblewrap(etc=root.parent / "etc")
    driver = bubblewrap if kind == "bubblewrap" else UnsafeProcess(allowed=True)
    await driver.start(Container("alpha", root, ("/bin/sh", "-c", script)))
    die()

trio.run(main)
"""


@pytest.fixture
def bubblewrap(tmp_path: Path) -> Bubblewrap:
    """With a small /etc, which is quicker to copy."""
    etc = tmp_path / "etc"
    etc.mkdir()
    for file in ("passwd", "group"):
        (etc / file).touch(0o644)
    return Bubblewrap(etc=etc)


@pytest.fixture(params=["bubblewrap", "process"])
def driver(request: pytest.FixtureRequest, bubblewrap: Bubblewrap) -> Driver:
    return bubblewrap if request.param == "bubblewrap" else UnsafeProcess(allowed=True)


@pytest.fixture
def word(request: pytest.FixtureRequest) -> str:
    """A number of seconds that finds this test's sleeping processes."""
    return str(100_000_000 + abs(hash(request.node.nodeid)) % 100_000_000)


def container(root: Path, script: str) -> Container:
    return Container("alpha", root, ("/bin/sh", "-c", script))


def go(driver: Driver, root: Path) -> str:
    return GO.format(state=driver.inside(root, "alpha").base / "state")


def let_go(root: Path) -> None:
    (folders(root, "alpha").state / "go").touch()


def start_and_die(driver: Driver, root: Path, script: str, when: str = "late") -> None:
    command = [sys.executable, "-c", STARTER, str(root), driver.name, when, script]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert ended.returncode == -signal.SIGKILL, ended.stderr


async def wait(running: Handle) -> str:
    with trio.fail_after(10):
        return str(await running.wait())


@pytest.mark.parametrize("when", ["late", "early"])
async def test_a_container_outlives_its_starter_and_is_adopted(
    driver: Driver, root: Path, when: str
) -> None:
    start_and_die(driver, root, go(driver, root), when)
    running = await driver.adopt(container(root, "unused"))
    assert running is not None
    assert [r.identity for r in list_containers(root)] == [running.identity]
    with trio.move_on_after(0.1) as still:
        await running.wait()
    assert still.cancelled_caught
    let_go(root)
    assert await wait(running) == "exited with 7"
    assert await wait(running) == "exited with 7"
    assert list_containers(root) == ()


async def test_an_end_that_nobody_saw_is_recorded(driver: Driver, root: Path, probe: Any) -> None:
    start_and_die(driver, root, "exit 5")
    await probe.until(lambda: not is_locked(folders(root, "alpha")))
    assert await driver.adopt(container(root, "unused")) is None
    ended = last_exit(root, "alpha")
    assert ended is not None
    assert ended.code == 5
    assert kill_container(root, "alpha") is None


async def test_a_detached_container_runs_on(driver: Driver, root: Path) -> None:
    first = await driver.start(container(root, go(driver, root)))
    async with trio.open_nursery() as nursery:

        async def waiter() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await first.wait()

        nursery.start_soon(waiter)
        await trio.testing.wait_all_tasks_blocked()
        first.detach()
    await first.kill()  # no longer its to kill
    second = await driver.adopt(container(root, "unused"))
    assert second is not None
    assert second.identity == first.identity
    let_go(root)
    assert await wait(second) == "exited with 7"


async def test_many_may_wait(driver: Driver, root: Path) -> None:
    running = await driver.start(container(root, go(driver, root)))
    ends: list[str] = []
    async with trio.open_nursery() as nursery:
        for _ in range(3):

            async def waiter() -> None:
                ends.append(await wait(running))

            nursery.start_soon(waiter)
        await trio.testing.wait_all_tasks_blocked()
        let_go(root)
    assert ends == ["exited with 7"] * 3


async def test_kill_ends_everything(driver: Driver, root: Path, probe: Any, word: str) -> None:
    running = await driver.start(container(root, FOREVER.format(word=word)))
    await probe.until(lambda: len(probe.running(word)) == 3)
    await running.kill()
    assert await wait(running) == "killed by SIGKILL"
    assert probe.running(word) == []
    assert read_process(running.pid) is None
    await running.kill()  # harmless


async def test_kill_at_the_very_start(driver: Driver, root: Path, probe: Any, word: str) -> None:
    for _ in range(5):
        running = await driver.start(container(root, FOREVER.format(word=word)))
        await running.kill()
        assert (await wait(running)).startswith("killed")
        assert probe.running(word) == []


async def test_a_killed_keeper_takes_all_with_it(
    driver: Driver, root: Path, probe: Any, word: str
) -> None:
    running = await driver.start(container(root, FOREVER.format(word=word)))
    await probe.until(lambda: len(probe.running(word)) == 3)
    os.kill(running.pid, signal.SIGKILL)
    if driver.name == "bubblewrap":  # by the kernel's hand, not by that of who waits
        await probe.until(lambda: probe.running(word) == [])
    assert await wait(running) == "killed with its keeper"
    assert probe.running(word) == []
    assert last_exit(root, "alpha") is None
    again = await driver.start(container(root, "exit 0"))
    assert await wait(again) == "exited with 0"


async def test_a_second_kill_reaches_a_keeper_that_does_not_answer(
    driver: Driver, root: Path, probe: Any, word: str
) -> None:
    running = await driver.start(container(root, FOREVER.format(word=word)))
    await probe.until(lambda: len(probe.running(word)) == 3)
    os.kill(running.pid, signal.SIGSTOP)
    await running.kill()
    await running.kill()
    assert await wait(running) == "killed with its keeper"
    assert probe.running(word) == []


async def test_there_are_never_two(driver: Driver, root: Path) -> None:
    running = await driver.start(container(root, go(driver, root)))
    with pytest.raises(AlreadyRunning, match="alpha has a container"):
        await driver.start(container(root, "exit 1"))
    assert [r.identity for r in list_containers(root)] == [running.identity]
    let_go(root)
    await wait(running)


@pytest.mark.parametrize("how", ["start", "adoption", "hive down"])
async def test_what_a_killed_keeper_left_ends_before_the_next_starts(
    root: Path, probe: Any, word: str, how: str
) -> None:
    driver = UnsafeProcess(allowed=True)
    start_and_die(driver, root, FOREVER.format(word=word))
    await probe.until(lambda: len(probe.running(word)) == 3)
    [running] = list_containers(root)
    os.kill(running.identity.pid, signal.SIGKILL)
    await probe.until(lambda: not is_locked(folders(root, "alpha")))
    assert len(probe.running(word)) == 3
    assert known_names(root) == ("alpha",)
    if how == "hive down":
        assert kill_container(root, "alpha") is None
        assert probe.running(word) == []
    elif how == "adoption":
        assert await driver.adopt(container(root, "unused")) is None
        assert probe.running(word) == []
    again = await driver.start(container(root, "exit 0"))
    await probe.until(lambda: probe.running(word) == [])
    assert await wait(again) == "exited with 0"


async def test_a_signal_is_told_from_a_code(driver: Driver, root: Path) -> None:
    running = await driver.start(container(root, "kill -TERM $$"))
    assert await wait(running) == "killed by SIGTERM"


async def test_hive_down_finds_and_kills_without_a_daemon(
    driver: Driver, root: Path, probe: Any, word: str
) -> None:
    start_and_die(driver, root, FOREVER.format(word=word))
    await probe.until(lambda: len(probe.running(word)) == 3)
    ended = kill_container(root, "alpha")
    assert str(ended) == "killed by SIGKILL"
    assert probe.running(word) == []
    assert list_containers(root) == ()


@pytest.fixture
def innocent() -> Any:
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        assert process.poll() is None
        process.kill()


@pytest.mark.parametrize(
    ("shift", "boot", "locked"),
    [(0, None, False), (1, None, True), (0, "another-boot", True), (1, None, False)],
    ids=["right but unlocked", "reused pid", "another boot", "stale"],
)
async def test_a_false_identity_names_nobody(
    bubblewrap: Bubblewrap,
    root: Path,
    innocent: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
    shift: int,
    boot: str | None,
    locked: bool,
) -> None:
    running = await bubblewrap.start(container(root, "exit 0"))
    await wait(running)
    where = folders(root, "alpha")
    process = read_process(innocent.pid)
    assert process is not None
    record = f"{process.pid} {process.started - shift} {boot or boot_id()} {'0' * 32} bubblewrap\n"
    (where.keeper / "identity").write_text(record)
    monkeypatch.setattr(handle, "_GONE_WITHIN", 0.1)
    with (where.keeper / "lock").open() as lock:
        if locked:
            fcntl.flock(lock, fcntl.LOCK_EX)
        assert find(where) is None
        assert list_containers(root) == ()
        if locked:
            with pytest.raises(TimeoutError, match="holds"):
                kill_container(root, "alpha", within=0.1)
            with pytest.raises(AlreadyRunning, match="cannot be found"):
                await bubblewrap.adopt(container(root, "unused"))
        else:
            assert kill_container(root, "alpha") is None
            assert await bubblewrap.adopt(container(root, "unused")) is None
            assert not (where.keeper / "identity").exists()


BROKEN = (
    *(
        "",
        "12",
        "1 2 3 4 5",
        "-1 2 3 4 5\n",
        "x y z\n",
        "\0\xff\n",
        "1 2 3 4 5 6\n",
        "0 2 {boot} 4 5\n",
    ),
    *(
        f"{pid} 2 {{boot}} 4 5\n"
        for pid in ("1", "-1", "1" + "0" * 30, "9" * 5000, "\xb2", "4194305")
    ),
    *("7 1" + "0" * 30 + " {boot} 4 5\n", "4 1" + "0" * 30 + "\n", "4 256\n", "x " * 5000 + "\n"),
)


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
async def test_a_broken_record_names_nobody(bubblewrap: Bubblewrap, root: Path, text: str) -> None:
    text = text.replace("{boot}", boot_id())
    running = await bubblewrap.start(container(root, "exit 0"))
    await wait(running)
    for record in ("identity", "exit"):
        (folders(root, "alpha").keeper / record).write_bytes(text.encode("latin-1"))
    assert list_containers(root) == ()
    assert last_exit(root, "alpha") is None
    again = await bubblewrap.start(container(root, "exit 3"))
    assert await wait(again) == "exited with 3"


@pytest.mark.parametrize("record", ["identity", "exit"])
async def test_a_pipe_in_the_place_of_a_record_names_nobody(
    bubblewrap: Bubblewrap, root: Path, record: str
) -> None:
    await wait(await bubblewrap.start(container(root, "exit 0")))
    path = folders(root, "alpha").keeper / record
    path.unlink()
    os.mkfifo(path)
    assert list_containers(root) == ()
    assert (last_exit(root, "alpha") is None) == (record == "exit")
    assert await wait(await bubblewrap.start(container(root, "exit 3"))) == "exited with 3"


async def test_nothing_runs_in_an_unknown_root(bubblewrap: Bubblewrap, root: Path) -> None:
    assert list_containers(root) == ()
    assert kill_container(root, "alpha") is None
    assert last_exit(root, "alpha") is None
    assert await bubblewrap.adopt(container(root, "unused")) is None
    (root / "run" / "keepers" / "..evil").mkdir(parents=True)
    assert list_containers(root) == ()


async def test_the_log_keeps_one_old_file(driver: Driver, root: Path) -> None:
    for word in ("one", "two"):
        await wait(await driver.start(container(root, f"echo {word}; echo {word} >&2")))
    where = folders(root, "alpha")
    assert where.log.read_text() == "one\none\ntwo\ntwo\n"
    with where.log.open("ab") as log:
        log.truncate(LOG_ROTATES_AT + 1)
    await wait(await driver.start(container(root, "echo three")))
    assert where.log.read_text() == "three\n"
    assert where.log.with_name("harness.log.1").stat().st_size == LOG_ROTATES_AT + 1


@pytest.mark.parametrize("trap", ["link", "pipe", "hardlink"])
async def test_a_log_that_an_agent_replaced_is_not_followed(
    bubblewrap: Bubblewrap, root: Path, trap: str
) -> None:
    where = folders(root, "alpha")
    where.harness.mkdir(parents=True)
    victim = root / "victim"
    victim.write_text("precious")
    match trap:
        case "link":
            where.log.symlink_to(victim)
        case "hardlink":
            where.log.hardlink_to(victim)
        case "pipe":
            os.mkfifo(where.log)
    await wait(await bubblewrap.start(container(root, "echo mine")))
    assert victim.read_text() == "precious"
    assert where.log.read_text() == "mine\n"


async def test_the_lock_is_held_as_long_as_the_container_but_not_by_the_agent(
    driver: Driver, root: Path, probe: Any, word: str
) -> None:
    running = await driver.start(container(root, f"sleep {word}; exit 0"))
    await probe.until(lambda: len(probe.running(word)) == 1)
    lock = folders(root, "alpha").keeper / "lock"
    others = probe.holders(lock).keys() - {running.pid}
    assert running.pid in probe.holders(lock)
    commands = {probe.holders(lock)[pid] for pid in others}
    assert commands == ({"bwrap"} if driver.name == "bubblewrap" else set())
    await running.kill()
    await wait(running)
    assert probe.holders(lock) == {}


async def test_destroy_forgets_what_has_ended(driver: Driver, root: Path) -> None:
    destroy(root, "alpha")  # nothing to forget
    running = await driver.start(container(root, go(driver, root)))
    with pytest.raises(AlreadyRunning, match="kill it first"):
        destroy(root, "alpha")
    let_go(root)
    await wait(running)
    destroy(root, "alpha")
    where = folders(root, "alpha")
    assert not where.keeper.exists()
    assert not where.run.exists()
    assert (where.state / "go").exists()
    assert last_exit(root, "alpha") is None


async def test_no_zombie_stays_of_a_container_that_ended_while_detached(
    driver: Driver, root: Path, probe: Any
) -> None:
    running = await driver.start(container(root, go(driver, root)))
    running.detach()
    let_go(root)
    await probe.until(lambda: not is_locked(folders(root, "alpha")))
    await probe.until(lambda: (p := read_process(running.pid)) is None or p.ended)
    assert await driver.adopt(container(root, "unused")) is None
    assert read_process(running.pid) is None


def lose(root: Path, what: str) -> None:
    """Remove what a cleaner of old files, or somebody who tidies up, removes."""
    where = folders(root, "alpha")
    match what:
        case "the lock":
            (where.keeper / "lock").unlink()
        case "the record":
            (where.keeper / "identity").unlink()
        case "all files":
            for file in where.keeper.iterdir():
                file.unlink()
        case "the folder":
            shutil.rmtree(root / "run")


def copy_root(root: Path, to: Path) -> None:
    subprocess.run(["cp", "-a", root, to], check=True)


LOST = pytest.mark.parametrize("what", ["the lock", "all files", "the folder"])


@LOST
async def test_there_is_one_container_whatever_was_removed(
    driver: Driver, root: Path, probe: Any, word: str, what: str
) -> None:
    start_and_die(driver, root, FOREVER.format(word=word))
    await probe.until(lambda: len(probe.running(word)) == 3)
    lose(root, what)
    again: Handle | None
    if what == "the lock":  # its record names it
        with pytest.raises(AlreadyRunning):
            await driver.start(container(root, "exit 1"))
        again = await driver.adopt(container(root, "unused"))
        assert again is not None
        await again.kill()
        assert await wait(again) == "killed by SIGKILL"
    else:
        assert await driver.adopt(container(root, "unused")) is None
        assert probe.running(word) == []
    again = await driver.start(container(root, "exit 4"))
    assert await wait(again) == "exited with 4"


@pytest.mark.parametrize("what", ["all files", "the folder"])
async def test_a_start_ends_what_has_no_records(
    driver: Driver, root: Path, probe: Any, word: str, what: str
) -> None:
    start_and_die(driver, root, FOREVER.format(word=word))
    await probe.until(lambda: len(probe.running(word)) == 3)
    lose(root, what)
    again = await driver.start(container(root, "exit 4"))
    assert await wait(again) == "exited with 4"
    assert probe.running(word) == []


@LOST
async def test_hive_down_ends_it_whatever_was_removed(
    driver: Driver, root: Path, probe: Any, word: str, what: str
) -> None:
    start_and_die(driver, root, FOREVER.format(word=word))
    await probe.until(lambda: len(probe.running(word)) == 3)
    lose(root, what)
    assert known_names(root) == ("alpha",)
    kill_container(root, "alpha")
    assert probe.running(word) == []


@pytest.mark.parametrize("what", ["the record", "all files", "the folder"])
async def test_who_holds_a_container_keeps_its_record(
    driver: Driver, root: Path, probe: Any, what: str
) -> None:
    state = driver.inside(root, "alpha").base / "state"
    running = await driver.start(container(root, f"echo > {state}/up; {go(driver, root)}"))
    await probe.until((folders(root, "alpha").state / "up").exists)
    assert running.look_after() is None
    lose(root, what)
    lost = running.look_after()
    assert lost == ("run/agents/alpha" if (what, driver.name) == LOST_MOUNT else None)
    running.detach()
    assert running.look_after() is None
    again = await driver.adopt(container(root, "unused"))
    assert again is not None
    assert again.identity == running.identity
    assert again.look_after() == lost
    let_go(root)
    assert await wait(again) == "exited with 7"


LOST_MOUNT = ("the folder", "bubblewrap")


@pytest.mark.parametrize("part", ["state", "claude", "run"])
async def test_a_folder_that_was_replaced_is_told(
    bubblewrap: Bubblewrap, root: Path, part: str
) -> None:
    running = await bubblewrap.start(container(root, go(bubblewrap, root)))
    folder = getattr(folders(root, "alpha"), part)
    folder.rename(folder.with_name("former"))
    folder.mkdir()
    assert running.look_after() == str(folder.relative_to(root))
    folder.rmdir()
    folder.with_name("former").rename(folder)
    assert running.look_after() is None
    let_go(root)
    await wait(running)


async def test_a_copy_of_a_root_leaves_the_containers_of_the_original_alone(
    driver: Driver, root: Path, probe: Any, word: str, tmp_path: Path
) -> None:
    running = await driver.start(container(root, FOREVER.format(word=word)))
    await probe.until(lambda: len(probe.running(word)) == 3)
    copy, other = tmp_path / "copy", tmp_path / "other"
    for of in (copy, other):
        copy_root(root, of)
    assert kill_container(copy, "alpha") is None
    assert list_containers(copy) == ()
    assert await driver.adopt(container(copy, "unused")) is None
    assert forget_foreign(other) == ("alpha",)
    assert forget_foreign(other) == () and forget_foreign(root) == ()
    for of in (copy, other):
        await wait(await driver.start(container(of, "exit 0")))
    shutil.rmtree(copy / "run")
    kill_container(copy, "alpha")
    assert len(probe.running(word)) == 3
    await running.kill()
    await wait(running)


async def test_a_root_that_was_moved_has_its_containers(
    driver: Driver, root: Path, probe: Any, word: str
) -> None:
    start_and_die(driver, root, FOREVER.format(word=word))
    await probe.until(lambda: len(probe.running(word)) == 3)
    moved = root.with_name("moved")
    shutil.move(root, moved)
    assert forget_foreign(moved) == ()
    (moved / "run/keepers/alpha/lock").unlink()
    assert len(list_containers(moved)) == 1
    kill_container(moved, "alpha")
    assert probe.running(word) == []


@pytest.mark.parametrize("then", ["all is there", "the lock was removed", "a copy was made"])
async def test_a_container_of_an_earlier_version_is_adopted(
    driver: Driver,
    root: Path,
    probe: Any,
    word: str,
    monkeypatch: pytest.MonkeyPatch,
    then: str,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(keeper, "_of", lambda _: "")  # as it marked its processes
    running = await driver.start(container(root, FOREVER.format(word=word)))
    monkeypatch.undo()
    await probe.until(lambda: len(probe.running(word)) == 3)
    record = folders(root, "alpha").keeper / "identity"
    record.write_text(" ".join(record.read_text().split()[:5]) + "\n")
    running.detach()
    if then == "the lock was removed":
        lose(root, "the lock")
    if then == "a copy was made":
        copy_root(root, copy := tmp_path / "copy")
        assert kill_container(copy, "alpha") is None
        assert forget_foreign(copy) == ("alpha",)
        assert forget_foreign(root) == ()
        assert len(probe.running(word)) == 3
    again = await driver.adopt(container(root, "unused"))
    assert again is not None
    assert again.identity.id == running.identity.id
    assert again.look_after() is None
    record.unlink()
    again.look_after()
    assert keeper.read_identity(folders(root, "alpha")) == again.identity
    await again.kill()
    assert await wait(again) == "killed by SIGKILL"
    assert probe.running(word) == []


async def test_the_hosts_processes_are_looked_at_in_a_thread(
    driver: Driver, root: Path, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of them take long, and the event loop has others to serve."""
    looked_at_by: set[bool] = set()
    look = processes.all_processes

    def watched() -> Any:
        looked_at_by.add(threading.current_thread() is threading.main_thread())
        return look()

    monkeypatch.setattr(processes, "all_processes", watched)
    running = await driver.start(container(root, FOREVER.format(word=word)))
    os.kill(running.pid, signal.SIGKILL)  # so that the next start looks for what it has left
    await wait(running)
    (folders(root, "alpha").keeper / "identity").write_text("1 1 boot id driver\n")
    again = await driver.start(container(root, FOREVER.format(word=word)))
    await again.kill()
    await wait(again)
    assert looked_at_by == {False}
