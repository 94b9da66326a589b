"""What is refused before a hive starts, and when a running one stops by itself."""

import shutil
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from attrs import define
from click.testing import CliRunner

from hive.cli import main
from hive.daemon import root_folder
from hive.paths import Paths, place_of
from hive.store import MIGRATIONS, Store, StoreError, open_store
from hive.supervisors import Context


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "root")


async def make(path: Path) -> None:
    async with open_store(path, MIGRATIONS):
        pass


def everything(paths: Paths) -> list[Path]:
    return sorted(paths.root.rglob("*"))


@pytest.mark.parametrize("there", ["nothing", "folders", "a hive"])
def test_what_may_start(paths: Paths, there: str) -> None:
    if there != "nothing":
        paths.prepare()
    if there == "a hive":
        trio.run(make, paths.database)
        (paths.agents / "alpha").mkdir()
    root_folder.check_database(paths)


@pytest.mark.parametrize("of", ["agents/alpha", "destroyed/alpha-1"])
@pytest.mark.parametrize("how", ["missing", "empty", "without tables"])
def test_agents_without_a_database_are_refused(paths: Paths, of: str, how: str) -> None:
    folder = paths.root / of
    folder.mkdir(parents=True)
    match how:
        case "empty":
            paths.database.touch()
        case "without tables":
            trio.run(partial(_open_nothing, paths.database))
    before = everything(paths)
    with pytest.raises(StoreError, match=r"is missing|is empty") as refused:
        root_folder.check_database(paths)
    said = str(refused.value)
    assert f"`mv {folder.parent} {folder.parent}.old`" in said and "Restore a backup" in said
    assert everything(paths) == before
    folder.parent.rename(f"{folder.parent}.old")  # as it says
    root_folder.check_database(paths)


async def _open_nothing(path: Path) -> None:
    async with open_store(path, ()):
        pass


async def until(true: Callable[[], bool]) -> None:
    with trio.fail_after(10):
        while True:
            if true():
                return
            await trio.sleep(0.01)


@define(eq=False)
class Stop:
    """Hears why the hive gives up."""

    why: str | None = None

    def give_up(self, why: str) -> None:
        self.why = why

    async def gives_up(self) -> str:
        await until(lambda: self.why is not None)
        return str(self.why)


@asynccontextmanager
async def watched(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stop]:
    monkeypatch.setattr(root_folder, "LOOK_EVERY_S", 0.01)
    paths.prepare()
    stop, place = Stop(), place_of(paths.root)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(root_folder.watch, Context("hive/ground"), paths, place, cast(Any, stop))
        yield stop
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("how", ["removed", "moved", "replaced"])
async def test_the_hive_stops_when_its_root_is_another(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    async with watched(paths, monkeypatch) as stop:
        if how == "removed":
            shutil.rmtree(paths.root)
        else:
            shutil.move(paths.root, paths.root.with_name("moved"))
        if how == "replaced":
            paths.prepare()
            shutil.rmtree(paths.run)
        assert "was moved or replaced" in await stop.gives_up()
    assert everything(paths) == ([paths.agents] if how == "replaced" else [])


async def test_the_folders_are_made_again(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(paths, monkeypatch) as stop:
        for in_its_place in (False, True):
            await trio.Path(paths.root / "file").write_text("a file")
            shutil.rmtree(paths.run)
            if in_its_place:  # at once: the folder is made again as soon as the watch looks
                shutil.move(paths.root / "file", paths.run)
                await until(lambda: "cannot be made" in caplog.text)
                await trio.Path(paths.run).unlink()
            await until((paths.run / "agents").is_dir)
            assert stat.S_IMODE((await trio.Path(paths.run).stat()).st_mode) == 0o700
        assert stop.why is None
    assert caplog.text.count("cannot be made") == 1


async def test_the_hive_stops_when_its_database_was_replaced(paths: Paths) -> None:
    paths.prepare()
    store = Store(paths.database, MIGRATIONS)
    stop = Stop()
    async with trio.open_nursery() as nursery:
        ctx = Context("hive/store")
        nursery.start_soon(root_folder.run_store, ctx, store, cast(Any, stop))
        await until(lambda: ctx.ready_at is not None)
        shutil.move(paths.database, paths.root / "moved")
        with trio.fail_after(10):
            await store.write(lambda _: None)
        assert "was moved away" in await stop.gives_up()
        nursery.cancel_scope.cancel()


def test_down_says_when_a_root_cannot_be_looked_at(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hive.daemon import lock

    def refuse(_: Paths) -> None:
        raise PermissionError("not yours")

    monkeypatch.setattr(lock, "holder", refuse)
    done = CliRunner().invoke(main, ["down", "--root", str(paths.root)])
    assert done.exit_code == 1 and "cannot be looked at" in done.output


def test_down_of_nothing(paths: Paths) -> None:
    done = CliRunner().invoke(main, ["down", "--root", str(paths.root)])
    assert done.exit_code == 0 and "nothing runs" in done.output
    assert not paths.root.exists()
