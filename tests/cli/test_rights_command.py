"""`hive rights` against the real socket, table and broker."""

import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import trio
import trio.testing
from attrs import define
from click.testing import CliRunner, Result
from support.operator_socket import listen

from hive.agents import Fleet
from hive.broker import Broker, Draft, NotAllowed
from hive.cli import main
from hive.directory import AgentRecord, Directory
from hive.operator import agents, daemon
from hive.operator.audit import AuditLog
from hive.paths import Paths
from hive.store import MIGRATIONS, open_store
from hive.wire.agents import AgentStatus
from hive.wire.daemon import Status
from hive.wire.states import AgentState
from hive.wire.tree import TreeNode


@define
class RightsCommands:
    """As much of a hive as these requests need, and its operator."""

    paths: Paths
    fleet: Fleet
    audit: AuditLog

    def status(self) -> Status:
        agents = tuple(
            AgentStatus(one.name, AgentState.STOPPED, 0.0, may_send=one.may_send)
            for one in self.fleet.dependencies.directory.known.values()
        )
        tree = TreeNode("hive", "supervisor", AgentState.RUNNING, 0.0)
        return Status(1, str(self.paths.root), 0, agents, tree)

    async def command(self, *arguments: str) -> Result:
        invoke = partial(CliRunner().invoke, main, [*arguments, "--root", str(self.paths.root)])
        with trio.fail_after(20):
            return await trio.to_thread.run_sync(invoke)


@pytest.fixture
async def hive(tmp_path: Path) -> AsyncIterator[RightsCommands]:
    paths = Paths(tmp_path)
    paths.prepare()
    async with open_store(paths.database, MIGRATIONS) as store, trio.open_nursery() as nursery:
        records = Directory(store)
        await records.create(AgentRecord("ann", "none"))
        await records.create(AgentRecord("bob", "none", may_send=("cas", "*")))
        dependencies: Any = SimpleNamespace(directory=records)
        fleet = Fleet(dependencies)
        hive = RightsCommands(paths, fleet, AuditLog(store))
        table = {**agents.table(fleet, Mock()), **daemon.table(hive.status, Mock())}
        await listen(nursery, paths, table, hive.audit)
        yield hive
        nursery.cancel_scope.cancel()


async def test_rights_are_shown_set_kept_and_audited(hive: RightsCommands) -> None:
    assert (await hive.command("rights", "ann")).output == "ann may send to all\n"
    shown = await hive.command("rights", "bob", "--json")
    assert json.loads(shown.output) == {"name": "bob", "may_send": ["cas", "*"]}
    said = await hive.command("rights", "ann", "--may-send", "bob, cas,bob")
    assert said.output == "ann may send to manager, operator, bob, cas\n"
    await hive.command("rights", "bob", "--may-send", "")
    await hive.fleet.dependencies.directory.load()
    kept = {one.name: one.may_send for one in hive.fleet.dependencies.directory.known.values()}
    assert kept == {"ann": ("bob", "cas"), "bob": ()}, "nobody else is not all"
    await hive.command("rights", "bob", "--all")
    await hive.fleet.dependencies.directory.load()
    assert hive.fleet.dependencies.directory.known["bob"].may_send is None
    entries = [(one.action, one.target, one.detail) for one in await hive.audit.newest(10)]
    assert entries == [
        ("rights", "ann", "may send to bob cas"),
        ("rights", "bob", "may send to nobody else"),
        ("rights", "bob", "to all"),
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("ann", "--may-send", "Bob!"), 2, "Bob!"),
        (("ann", "--may-send", "bob", "--all"), 2, "either"),
        (("eve", "--all"), 1, "there is no agent 'eve'"),
        (("eve",), 1, "there is no agent 'eve'"),
    ],
)
async def test_what_is_wrong_is_said(
    hive: RightsCommands, arguments: tuple[str, ...], code: int, said: str
) -> None:
    result = await hive.command("rights", *arguments)
    assert result.exit_code == code and said in result.output
    assert all(one.outcome == "refused" for one in await hive.audit.newest(10))


async def test_the_directory_limits_the_broker_and_names_only_peers_that_may_be_written_to(
    tmp_path: Path,
) -> None:
    names = ("ann", "bob", "cas", "manager")
    async with open_store(tmp_path / "hive.sqlite", MIGRATIONS) as store:
        records = Directory(store)
        for name in names:
            may_send = ("bob",) if name == "ann" else None
            await records.create(AgentRecord(name, "none", may_send=may_send))
        assert records.peers("ann") == ("bob", "manager")
        assert records.peers("bob") == ("ann", "cas", "manager")
        broker = Broker(store, records, publish=lambda *_: None)
        await broker.load()
        await broker.send(Draft("ann", "bob", "text"))
        await broker.send(Draft("operator", "cas", "text"))
        with pytest.raises(NotAllowed, match="you may not write to cas"):
            await broker.send(Draft("ann", "cas", "text"))


async def test_who_may_always_be_written_to_is_named_once(hive: RightsCommands) -> None:
    said = await hive.command("rights", "ann", "--may-send", "manager,bob")
    assert said.output == "ann may send to manager, operator, bob\n"
