"""What an agent says of itself: its line is in the status, its events keep their times."""

from pathlib import Path

import trio

from hive.credentials import ApiAccess
from hive.daemon.config import Config
from hive.daemon.hive import Options, build
from hive.directory import AgentRecord
from hive.paths import Paths
from hive.supervision import read_clocks
from hive.wire.agents import SetStatus
from hive.wire.tree import Supervision


async def test_the_status_shows_what_each_agent_says(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.prepare()
    hive = build(Options(paths, Config(), ApiAccess(()), Path("/claude"), {}))
    with trio.fail_after(10):
        async with hive.store.opened():
            for name in ("ann", "bob"):
                await hive.directory.create(AgentRecord(name, "none"))
            await hive.desk.load()
            await hive.desk.handle("ann", SetStatus("paints"))
            shown = hive.states.statuses(hive.directory.known, read_clocks())
    assert [(one.name, one.says) for one in shown] == [("ann", "paints"), ("bob", "")]


async def test_an_event_of_an_outage_keeps_its_time_wherever_it_is_kept(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.prepare()
    hive = build(Options(paths, Config(), ApiAccess(()), Path("/claude"), {}))
    part = Supervision("hive/agents/ann/harness/turns", "exited", "it ended")
    with trio.fail_after(10):
        async with hive.store.opened():
            await hive.events.load()
            hive.feed.publish("ann", part, 1234.5)
            (live,) = await hive.events.recent()
    assert live.at == 1234.5
    assert [one.at for one in hive.incidents.history(part.path)] == [1234.5]
