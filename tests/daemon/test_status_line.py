"""What an agent says of itself: its line is in the status, its events keep their times."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from hive.credentials import ApiAccess
from hive.daemon.config import Config
from hive.daemon.hive import Options, build
from hive.directory import AgentRecord, Directory
from hive.paths import Paths
from hive.store import MIGRATIONS, open_store
from hive.supervision import read_clocks
from hive.wire.tree import Supervision


async def test_the_status_shows_what_each_agent_says(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.prepare()
    hive = build(Options(paths, Config(), ApiAccess(()), Path("/claude"), {}))
    with trio.fail_after(10):
        async with hive.store.opened():
            for name in ("ann", "bob"):
                await hive.directory.create(AgentRecord(name, "none"))
            await hive.directory.set_status_line("ann", "paints", lambda _: None)
            shown = hive.states.statuses(hive.directory.known, read_clocks())
    assert [(one.name, one.says) for one in shown] == [("ann", "paints"), ("bob", "")]


async def test_a_status_line_is_kept_and_cleared(tmp_path: Path) -> None:
    path, said = tmp_path / "hive.sqlite", list[str]()

    @asynccontextmanager
    async def opened() -> AsyncIterator[Directory]:
        async with open_store(path, MIGRATIONS) as store:
            directory = Directory(store)
            await directory.load()
            yield directory

    async with opened() as directory:
        await directory.create(AgentRecord("ann", "none"))
        for _ in range(2):
            await directory.set_status_line("ann", "paints", said.append)
        assert said == ["paints"], "what is as before is no news"
        await directory.want("ann", False)
        assert directory.record("ann").status_line == "paints"
    async with opened() as directory:
        assert directory.record("ann").status_line == "paints"
        await directory.set_status_line("ann", "", said.append)
        assert directory.record("ann").status_line == "" and said == ["paints", ""]
    async with opened() as directory:
        assert directory.record("ann").status_line == ""
        await directory.set_status_line("ann", "counts stars", said.append)
        await directory.leave("ann", "now")
        await directory.set_status_line("ann", "still counts", said.append)
        assert said[-1] == "counts stars", "who is no more says nothing"
        await directory.delete("ann")
        await directory.create(AgentRecord("ann", "none"))
        assert directory.record("ann").status_line == ""
    async with opened() as directory:  # also after a restart
        assert directory.record("ann").status_line == ""


async def test_an_event_of_an_outage_keeps_its_time_wherever_it_is_kept(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.prepare()
    hive = build(Options(paths, Config(), ApiAccess(()), Path("/claude"), {}))
    part = Supervision("hive/agents/ann/harness/turns", "exited", "it ended")
    with trio.fail_after(10):
        async with hive.store.opened():
            await hive.events.load()
            hive.publisher.publish("ann", part, 1234.5)
            (live,) = await hive.events.recent()
    assert live.at == 1234.5
    assert [one.at for one in hive.incidents.history(part.path)] == [1234.5]
