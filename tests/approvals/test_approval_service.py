"""Approvals on a real store and real git: proposed, decided, ended, and after a kill in between."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, field
from support.plain_git import Git

import hive.git
from hive.approvals import ApprovalOver, ApprovalService, NoSuchApproval, ProposalRefused
from hive.broker import Broker
from hive.config_repos import ConfigRepositories, NoSuchCommit, NotAHash
from hive.directory import MANAGER, AgentRecord, Directory
from hive.git import GitFailed, GitUnavailable
from hive.paths import Paths
from hive.store import MIGRATIONS, Store, StoreFull, open_store
from hive.supervisors import Context
from hive.wire.approvals import (
    Against,
    Approval,
    ApprovalMoved,
    ApprovalOpened,
    RequestApplyCommit,
)
from hive.wire.daemon import Notice
from hive.wire.events import Event

WEEK_S = 7 * 86_400
BASE = 'purpose = "to test"\n'
ALL = "[permissions]\nbroadcast = true\n"
"""As it is in the configuration that an agent begins with, if it may send to all."""


class Killed(BaseException):
    """The process ends here."""


@define
class Office:
    """As much of a hive as approvals need: three agents, of which one manages."""

    paths: Paths
    store: Store
    broker: Broker
    directory: Directory
    repos: ConfigRepositories
    events: list[tuple[str | None, Event]] = field(factory=list)
    later: float = 0.0
    """By how much the wall clock is ahead."""

    def wall(self) -> float:
        return time.time() + self.later

    def service(self) -> ApprovalService:
        """A new one, as of a daemon that was just started."""
        return ApprovalService(
            self.store,
            self.broker,
            self.directory,
            self.repos,
            publish=lambda agent, event: self.events.append((agent, event)),
            wall=self.wall,
        )

    def git(self, agent: str = "worker") -> Git:
        return Git(self.paths.agent(agent).config)

    def commit(self, text: str, agent: str = "worker", **files: bytes | str) -> str:
        return self.git(agent).commit(**{"agent.toml": BASE + text + ALL, **files})

    async def tags(self, agent: str = "worker") -> list[str]:
        return [f"{tag.kind}/{tag.proposal}" for tag in await self.repos.tags(agent)]

    async def told(self, name: str = MANAGER) -> list[str]:
        return [message.body for message in await self.broker.inbox(name)]

    def notices(self) -> list[str]:
        return [event.text for _, event in self.events if isinstance(event, Notice)]


@asynccontextmanager
async def opened(paths: Paths) -> AsyncIterator[Office]:
    async with open_store(paths.database, MIGRATIONS) as store:
        directory = Directory(store)
        await directory.load()
        broker = Broker(store, directory, publish=lambda *_: None)
        await broker.load()
        office = Office(paths, store, broker, directory, ConfigRepositories(paths, bwrap=None))
        for name in {MANAGER, "worker", "other"} - directory.names():
            await directory.create(AgentRecord(name, "bubblewrap"))
            await office.service().prepare(directory.record(name))
        yield office


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test cuts the power: waiting for the disk would be most of their time."""
    monkeypatch.setitem(hive.git.CONFIG, "core.fsync", "none")
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    paths = Paths(tmp_path / "root")
    paths.prepare()
    async with opened(paths) as office:
        yield office


@pytest.fixture
def service(office: Office) -> ApprovalService:
    return office.service()


async def propose(
    service: ApprovalService, commit: str, *, by: str = MANAGER, agent: str = "worker", **more: Any
) -> Approval:
    return (await service.request(by, RequestApplyCommit(agent, commit, **more))).approval


# --- proposing -----------------------------------------------------------------------------------


async def test_a_commit_is_pinned_checked_and_open(
    office: Office, service: ApprovalService
) -> None:
    commit = office.commit('may_send = ["other"]\n[claude]\nmodel = "opus"\n')
    one = await propose(service, commit[:9], description="a better model")
    assert (one.id, one.state, one.kind) == (1, "open", "configuration")
    assert (one.commit, one.base, one.by, one.agent) == (commit, None, MANAGER, "worker")
    classes = {each.key: each.key_class.value for each in one.fields}
    assert classes["may_send"] == classes["purpose"] == "hot"
    assert classes["claude.model"] == "restart"
    assert one.expires_at - one.created_at == WEEK_S
    assert await office.tags() == ["proposal/1"]
    assert await service.listed() == (one,) and await service.get(1) == one
    opened = ApprovalOpened(1, one.kind, MANAGER, commit, "a better model")
    assert office.events == [("worker", opened)]


async def test_the_same_again_is_the_same_approval(
    office: Office, service: ApprovalService
) -> None:
    commit = office.commit("")
    first = await propose(service, commit, key="k1")
    assert await propose(service, "0" * 40, key="k1") == first, "whatever a repeated key asks for"
    assert await propose(service, commit, key="k2") == first
    assert await office.tags() == ["proposal/1"] and await service.listed(ended=True) == (first,)
    other = office.git("other").commit()
    assert (await propose(service, other, agent="other", by=MANAGER, key="k3")).id > first.id


async def test_a_newer_proposal_takes_the_place_of_an_open_one(
    office: Office, service: ApprovalService
) -> None:
    await propose(service, office.commit("# one\n"))
    answer = await service.request(MANAGER, RequestApplyCommit("worker", office.commit("# two\n")))
    assert answer.ended == (1,)
    (ended, open_) = await service.listed(ended=True)
    assert (ended.state, open_.state) == ("superseded", "open")
    assert f"replaced by approval {open_.id}" in (await office.told())[-1]
    assert ("worker", ApprovalMoved(1, ended.state, ended.note)) in office.events


BAD = {
    "key": ({"agent.toml": BASE + "colour = 1\n"}, "colour: is no known key"),
    "value": ({"agent.toml": "purpose = 3\n"}, "purpose: is 3"),
    "itself": ({"agent.toml": BASE + 'may_send = ["worker"]\n'}, "may_send"),
    "bytes": ({"agent.toml": b'purpose = "\xff"\n'}, "is not UTF-8"),
    "prompt": (
        {"agent.toml": BASE + '[claude]\nprompt_files = ["p.md"]\n'},
        "prompt file p.md: is missing: add it, or do not name it",
    ),
    "role": ({"agent.toml": BASE, "role.md": b"\xff"}, "prompt file role.md: is not UTF-8"),
}


@pytest.mark.parametrize("name", list(BAD))
async def test_what_the_check_refuses_leaves_nothing(
    office: Office, service: ApprovalService, name: str
) -> None:
    files, says = BAD[name]
    commit = office.git().commit(**files)
    with pytest.raises(ProposalRefused) as refused:
        await propose(service, commit, key="k")
    text = str(refused.value)
    assert text.startswith(
        f"commit {commit[:12]} is refused by the check of its files:\nagent.toml"
    )
    assert says in text and text.endswith("Commit a change that mends it, and propose that")
    assert await service.listed(ended=True) == () and await office.tags() == []
    applied = Git(office.paths.applied_config("worker"))
    assert commit not in applied("cat-file", "--batch-check", "--batch-all-objects")
    assert office.events == []
    mended = office.git().commit(**{"agent.toml": BASE, "role.md": "Be brief.\n"})
    assert (await propose(service, mended, key="k2")).state == "open"


async def test_what_is_no_commit_of_that_agent(office: Office, service: ApprovalService) -> None:
    others = office.git("other").commit(**{"agent.toml": BASE})
    with pytest.raises(NoSuchCommit, match="commit there, and give what"):
        await propose(service, others)
    with pytest.raises(NotAHash, match="names of branches and tags can move"):
        await propose(service, "main")
    with pytest.raises(ProposalRefused, match="no agent 'nobody'; there are: manager, other"):
        await propose(service, others, agent="nobody")
    assert await service.listed(ended=True) == () and await office.tags() == []


async def test_only_the_manager_and_whom_a_deployed_configuration_permits(
    office: Office, service: ApprovalService
) -> None:
    commit = office.commit("")
    with pytest.raises(ProposalRefused, match=r"permissions\.config .* names nobody\. Ask"):
        await propose(service, commit, by="other")
    with pytest.raises(ProposalRefused, match="a configuration of your own"):
        await propose(service, commit, by="worker")
    with pytest.raises(ProposalRefused, match="a configuration of your own"):
        await propose(service, office.git(MANAGER).commit(), agent=MANAGER)

    text = BASE + '[permissions]\nconfig = ["worker"]\n'
    granted = await propose(
        service, office.git("other").commit(**{"agent.toml": text}), agent="other"
    )
    assert granted.kind == "permissions" and granted.commit is not None
    with pytest.raises(ProposalRefused, match="names nobody"):  # it is not deployed
        await propose(service, commit, by="other")
    await office.repos.tag("other", "deployed", granted.id, granted.commit, "by hand")
    assert (await propose(service, commit, by="other")).by == "other"


async def test_a_deployed_configuration_can_take_the_managers_permission(
    office: Office, service: ApprovalService
) -> None:
    less = office.git(MANAGER).commit(
        **{"agent.toml": BASE + '[permissions]\nconfig = ["other"]\n'}
    )
    await office.repos.pin(MANAGER, less, 90)
    await office.repos.tag(MANAGER, "deployed", 90, less, "by hand")
    with pytest.raises(ProposalRefused, match="names other"):
        await propose(service, office.commit(""))
    assert await propose(service, office.git("other").commit(), agent="other")


# --- deciding ------------------------------------------------------------------------------------


async def test_an_approval_is_used_once(office: Office, service: ApprovalService) -> None:
    await propose(service, office.commit(""))
    decided = await service.decide(1, approve=True, note="fine")
    assert (decided.approval.state, decided.approval.note) == ("approved", "fine")
    assert decided.approval.ended_at is None and decided.instead is None
    assert await office.tags() == ["proposal/1", "approved/1"]
    (told,) = await office.told()
    assert "was approved by the operator: fine" in told and "does not deploy commits yet" in told
    for approve in (True, False):
        with pytest.raises(ApprovalOver, match=r"is approved .fine. and is decided once"):
            await service.decide(1, approve=approve)
    assert len(await office.told()) == 1
    assert await service.listed() == (decided.approval,), "it has not ended"
    with pytest.raises(NoSuchApproval, match="there is no approval 9"):
        await service.decide(9, approve=True)


async def test_what_was_denied_is_not_asked_again(office: Office, service: ApprovalService) -> None:
    commit = office.commit("")
    await propose(service, commit)
    denied = (await service.decide(1, approve=False, note="too dear")).approval
    assert denied.state == "denied" and await office.tags() == ["proposal/1", "denied/1"]
    assert (await office.repos.tags("worker"))[-1].reason == "too dear"
    assert (await office.told())[0].endswith("was denied by the operator: too dear")
    with pytest.raises(ProposalRefused, match=r"has denied commit .* \(too dear\):"):
        await propose(service, commit)
    assert await office.tags() == ["proposal/1", "denied/1"]
    assert await service.listed() == () and await service.listed(ended=True) == (denied,)


async def test_a_moved_base_comes_back_as_a_new_difference(
    office: Office, service: ApprovalService
) -> None:
    first = await propose(service, office.commit("[claude]\nmodel = 'opus'\n"))
    await service.decide(first.id, approve=True)
    second = await propose(service, office.commit("[claude]\nmodel = 'haiku'\n"))
    assert first.commit and second.commit and second.base is None
    await office.repos.tag("worker", "deployed", first.id, first.commit, "by hand")
    Git(office.paths.agent("worker").config)("update-ref", "-d", "refs/heads/main")

    decided = await service.decide(second.id, approve=True)
    assert decided.approval.state == "superseded" and decided.instead is not None
    new = decided.instead
    assert (new.state, new.base, new.commit) == ("open", first.commit, second.commit)
    assert [each.key for each in new.fields] == ["claude.model"]
    assert f"approval {new.id} shows the new difference" in (await office.told())[-1]
    assert f"proposal/{new.id}" in await office.tags()
    shown = await service.difference(new.id)
    assert shown.diff is not None and "-model = 'opus'\n+model = 'haiku'" in shown.diff
    assert (await service.decide(new.id, approve=True)).approval.state == "approved"


async def test_compared_with_what_runs_the_last_approved_and_the_previous(
    office: Office, service: ApprovalService
) -> None:
    commits = [office.commit(f"[claude]\nmodel = 'm{n}'\n") for n in range(3)]
    await propose(service, commits[0])
    none = await service.difference(1, Against.PREVIOUS)
    assert none.diff is None and none.why_none == "no commit of worker was proposed before it"
    await service.decide(1, approve=True)
    for commit in commits[1:]:
        await propose(service, commit)
    newest = (await service.listed())[-1].id
    shown = {one: await service.difference(newest, one) for one in Against}
    assert [shown[one].old for one in (Against.APPROVED, Against.PREVIOUS)] == commits[:2]
    assert "+model = 'm2'" in str(shown[Against.BASE].diff)
    assert "-model = 'm0'" in str(shown[Against.APPROVED].diff)
    assert "-model = 'm1'" in str(shown[Against.PREVIOUS].diff)


async def test_a_difference_of_escapes_fits_into_an_answer(
    office: Office, service: ApprovalService
) -> None:
    commit = office.commit("", **{"wild.txt": b"\x1b\n" * 120_000})
    await propose(service, commit)
    shown = await service.difference(1)
    assert shown.diff is not None and "\x1b" not in shown.diff and r"\x1b" in shown.diff
    assert shown.diff.rstrip().splitlines()[-1].startswith("[cut here")


# --- time and ends -------------------------------------------------------------------------------


async def test_what_nobody_decides_expires_and_who_asked_is_told(
    office: Office, service: ApprovalService
) -> None:
    commit = office.commit("")
    await propose(service, commit)
    assert await service.expire() == 0
    office.later = WEEK_S + 1
    with pytest.raises(ApprovalOver, match="has expired"):
        await service.decide(1, approve=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.run, Context("hive/approvals"))
        with trio.fail_after(20):
            while not any(isinstance(event, ApprovalMoved) for _, event in office.events):
                await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()
    assert (await service.get(1)).state == "expired"
    assert "has expired: nobody decided it in time" in (await office.told())[0]
    assert (await propose(service, commit)).id != 1, "it may be proposed again"


async def test_the_operator_is_told_what_waits(office: Office, service: ApprovalService) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.run, Context("hive/approvals"))
        for agent, says in (("worker", "1 approval waits"), ("other", "2 approvals wait")):
            await propose(service, office.git(agent).commit(**{"agent.toml": BASE}), agent=agent)
            with trio.fail_after(20):
                while service.notices() != (f"{says} for you: see `hive approvals`",):
                    await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()


async def test_the_end_of_an_agent_ends_its_approvals(
    office: Office, service: ApprovalService
) -> None:
    await propose(service, office.commit("# one\n"))
    await service.decide(1, approve=True)
    await propose(service, office.commit("# two\n"))
    await propose(service, office.git("other").commit(), agent="other")
    await office.directory.leave("worker", "20310517T000000Z")
    for _ in range(2):
        await service.forget("worker")
    states = {one.agent: one.state for one in await service.listed(ended=True)}
    assert states == {"worker": "superseded", "other": "open"}
    assert sum("the agent was destroyed" in text for text in await office.told()) == 2
    for approve in (True, False):
        with pytest.raises(ApprovalOver, match="the agent was destroyed"):
            await service.decide(2, approve=approve)
    with pytest.raises(ProposalRefused, match="no agent 'worker'"):
        await propose(service, "0" * 40)


async def test_a_prompt_that_says_something_else_is_a_change(
    office: Office, service: ApprovalService
) -> None:
    first = office.commit("", **{"role.md": "Be brief.\n"})
    await office.repos.pin("worker", first, 100)
    await office.repos.tag("worker", "deployed", 100, first, "by hand")
    one = await propose(service, office.commit("", **{"role.md": "Be thorough.\n"}))
    shown = [(each.key, each.key_class.value) for each in one.fields]
    assert shown == [('claude.prompt_files."role.md"', "restart")]


async def test_who_proposed_and_is_no_more_gets_no_message(
    office: Office, service: ApprovalService
) -> None:
    one = await propose(service, office.commit(""))
    await office.directory.leave(MANAGER, "now")
    assert (await service.decide(one.id, approve=False)).approval.state == "denied"
    assert await office.told() == []


# --- kills and faults ----------------------------------------------------------------------------


async def test_killed_between_pin_and_row(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = office.commit("")

    async def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Broker, "send_in_transaction", killed)
        with pytest.raises(Killed):
            await propose(office.service(), commit, key="k")
    assert await office.tags() == ["proposal/1"]

    service = office.service()  # the harness repeats what was not answered
    one = await propose(service, commit, key="k")
    assert one.id == 2 and await propose(service, commit, key="k") == one
    assert await service.listed(ended=True) == (one,)
    await service.put_in_order()
    assert await office.tags() == ["proposal/2"], "the pin without a row is gone"


async def test_a_full_disk_refuses_and_the_same_key_tries_again(
    office: Office, service: ApprovalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = office.commit("")

    async def full(*_: object) -> None:
        raise StoreFull("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(Broker, "send_in_transaction", full)
        with pytest.raises(StoreFull):
            await propose(service, commit, key="k")
    assert await service.listed(ended=True) == ()
    assert (await propose(service, commit, key="k")).state == "open"


@pytest.mark.parametrize("approve", [True, False])
async def test_killed_between_decision_and_tag(
    office: Office, monkeypatch: pytest.MonkeyPatch, approve: bool
) -> None:
    await propose(office.service(), office.commit(""))

    async def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ConfigRepositories, "tag", killed)
        with pytest.raises(Killed):
            await office.service().decide(1, approve=approve)
    assert await office.tags() == ["proposal/1"] and len(await office.told()) == 1
    service = office.service()
    with pytest.raises(ApprovalOver):
        await service.decide(1, approve=approve)
    for _ in range(2):
        await service.put_in_order()
    assert await office.tags() == ["proposal/1", "approved/1" if approve else "denied/1"]
    assert len(await office.told()) == 1 and office.notices() == []


async def test_killed_between_a_moved_base_and_its_pin(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = office.service()
    first = await propose(service, office.commit("# one\n"))
    await service.decide(first.id, approve=True)
    second = await propose(service, office.commit("# two\n"))
    assert first.commit is not None
    await office.repos.tag("worker", "deployed", first.id, first.commit, "by hand")

    async def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ConfigRepositories, "pin_again", killed)
        with pytest.raises(Killed):
            await service.decide(second.id, approve=True)
    service = office.service()
    (_, new) = await service.listed()
    assert (new.state, new.commit) == ("open", second.commit)
    await service.put_in_order()
    assert f"proposal/{new.id}" in await office.tags()
    assert (await service.decide(new.id, approve=True)).approval.state == "approved"


async def test_a_failing_git_keeps_no_decision_from_being_made(
    office: Office, service: ApprovalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await propose(service, office.commit(""))

    async def failing(*_: object) -> None:
        raise GitFailed("git tag", 128, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr(ConfigRepositories, "tag", failing)
        assert (await service.decide(1, approve=False)).approval.state == "denied"
    assert "lacks tags" in office.notices()[0] and "no space left" in office.notices()[0]


async def test_without_git_agents_are_told_of_once(
    office: Office, service: ApprovalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def missing() -> None:
        raise GitUnavailable("git is missing on this machine: install it")

    monkeypatch.setattr("hive.approvals.service.check_git", missing)
    await service.put_in_order()
    (notice,) = office.notices()
    assert "git is missing" in notice and "Agents work on" in notice
    assert service.notices() == (
        "configurations of agents cannot be changed: git is missing on this machine: install it",
    )
    with pytest.raises(GitUnavailable, match="git is missing"):
        await propose(service, "0" * 40)


async def test_what_was_lost_of_an_agent_is_made_again_at_the_next_start(office: Office) -> None:
    await office.repos.remove("other")
    assert not office.paths.agent("other").config.exists()
    await office.service().put_in_order()
    assert (office.paths.agent("other").config / "agent.toml").is_file()
    await office.directory.create(AgentRecord("odd", "a-driver-of-mine"))
    await office.service().put_in_order()
    assert office.notices()[-1].startswith('odd has no configuration repository: is "a-driver')
