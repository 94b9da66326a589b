"""`hive approvals`, `approve` and `deny`: the commands against the real socket and real git."""

import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import trio
from attrs import define
from click.testing import CliRunner, Result
from support.operator_socket import listen
from support.plain_git import Git

from hive.approvals import ApprovalService
from hive.broker import Broker
from hive.cli import main
from hive.config_repos import ConfigRepositories
from hive.directory import MANAGER, AgentRecord, Directory
from hive.operator import approvals
from hive.operator.audit import AuditLog
from hive.paths import Paths
from hive.store import MIGRATIONS, open_store
from hive.wire.approvals import RequestApplyCommit

HOSTILE = "\x1b]0;title\x07\x1b[2J\r\n\u202emoc\x9b31m<b>"
WAITS = "is approved and waits: this version of the hive does not deploy commits yet"


@define
class ApprovalCommands:
    """As much of a hive as these requests need, and its operator."""

    paths: Paths
    service: ApprovalService
    repositories: ConfigRepositories
    audit: AuditLog

    async def command(self, *arguments: str) -> Result:
        """`hive …` in a thread, so that the daemon's side can answer."""
        invoke = partial(CliRunner().invoke, main, [*arguments, "--root", str(self.paths.root)])
        with trio.fail_after(20):
            return await trio.to_thread.run_sync(invoke)

    async def propose(self, model: str, description: str = "") -> int:
        text = f'purpose = "to test"\n[claude]\nmodel = "{model}"\n'
        commit = Git(self.paths.agent("worker").config).commit(**{"agent.toml": text})
        wish = RequestApplyCommit("worker", commit, description)
        return (await self.service.request(MANAGER, wish)).approval.id


@pytest.fixture
async def hive(tmp_path: Path) -> AsyncIterator[ApprovalCommands]:
    paths = Paths(tmp_path)
    paths.prepare()
    async with open_store(paths.database, MIGRATIONS) as store, trio.open_nursery() as nursery:
        directory = Directory(store)
        broker = Broker(store, directory, publish=lambda *_: None)
        await broker.load()
        repositories = ConfigRepositories(paths, bwrap=None)
        service = ApprovalService(store, broker, directory, repositories, publish=lambda *_: None)
        for name in (MANAGER, "worker"):
            await directory.create(AgentRecord(name, "bubblewrap"))
            await service.prepare(directory.record(name))
        hive = ApprovalCommands(paths, service, repositories, AuditLog(store))
        await listen(nursery, paths, approvals.table(service), hive.audit)
        yield hive
        nursery.cancel_scope.cancel()


async def test_from_proposal_to_decision(hive: ApprovalCommands) -> None:
    assert (await hive.command("approvals")).stdout == "no open approvals\n"
    first = await hive.propose("opus", "a better model")
    listed = (await hive.command("approvals")).stdout
    assert "worker" in listed and "a better model" in listed
    assert "purpose (hot), claude.model (restart)" in listed
    shown = (await hive.command("approvals", str(first))).stdout
    assert "    claude.model  restart" in shown and "    purpose  hot" in shown
    assert '+model = "opus"' in shown and "base     nothing is deployed yet" in shown

    approved = await hive.command("approve", str(first), "--note", "go")
    assert approved.exit_code == 0 and WAITS in approved.stdout
    again = await hive.command("approve", str(first))
    assert again.exit_code == 1 and "is decided once" in again.stderr
    assert (await hive.command("deny", "99")).exit_code == 1
    second = await hive.propose("haiku")
    against = await hive.command("approvals", str(second), "--against", "approved")
    assert '-model = "opus"\n+model = "haiku"' in against.stdout
    denied = await hive.command("deny", str(second), "--note", "no")
    assert denied.stdout == f"approval {second} is denied\n"

    told = [(one.action, one.target, one.outcome, one.why) for one in await hive.audit.newest(10)]
    assert told[0] == ("approve", f"approval {first}", "done", "it is approved")
    assert told[1][2] == "refused" and "is decided once" in told[1][3]
    assert told[2][:3] == ("deny", "approval 99", "refused")
    assert told[3] == ("deny", f"approval {second}", "done", "it is denied")
    assert "permissions of worker, commit" in (await hive.audit.newest(10))[0].detail


async def test_a_moved_base_is_no_approval(hive: ApprovalCommands) -> None:
    first = await hive.propose("opus")
    await hive.command("approve", str(first))
    second = await hive.propose("haiku")
    commit = (await hive.service.get(first)).commit
    assert commit is not None
    await hive.repositories.tag("worker", "deployed", first, commit, "by hand")
    moved = await hive.command("approve", str(second))
    assert moved.exit_code == 1 and "was not approved: another commit" in moved.stderr
    assert f"look at `hive approvals {second + 1}` and decide that" in moved.stderr
    assert (await hive.command("approve", str(second + 1))).exit_code == 0


async def test_the_json_is_as_documented(hive: ApprovalCommands) -> None:
    first = await hive.propose("opus", "x")
    (one,) = json.loads((await hive.command("approvals", "--json")).stdout)
    assert set(one) == {
        *("id", "kind", "agent", "by", "commit", "base", "state", "description", "fields"),
        *("created_at", "expires_at", "ended_at", "note"),
    }
    assert {"key": "claude.model", "class": "restart"} in one["fields"]
    assert (one["state"], one["by"], one["base"], one["ended_at"]) == ("open", MANAGER, None, None)
    (with_diff,) = json.loads((await hive.command("approvals", str(first), "--json")).stdout)
    assert with_diff.items() >= one.items() and '+model = "opus"' in with_diff["diff"]
    await hive.command("deny", str(first))
    assert json.loads((await hive.command("approvals", "--json")).stdout) == []
    (ended,) = json.loads((await hive.command("approvals", "--all", "--json")).stdout)
    assert ended["state"] == "denied" and ended["ended_at"] > 0


async def test_hostile_text_is_shown_as_text(hive: ApprovalCommands) -> None:
    git = Git(hive.paths.agent("worker").config)
    text = 'purpose = "to test"\n'
    commit = git.commit(**{"agent.toml": text, "notes.txt": HOSTILE})
    wish = RequestApplyCommit("worker", commit, HOSTILE)
    number = (await hive.service.request(MANAGER, wish)).approval.id
    for arguments in (("approvals",), ("approvals", str(number))):
        shown = (await hive.command(*arguments)).stdout
        assert all(one.isprintable() or one in "\n\t" for one in shown)
