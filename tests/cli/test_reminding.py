"""Reminders and schedules over the real sockets: an agent's, the operator's, and `hive …`."""

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define
from click.testing import CliRunner, Result
from support.directories import Named
from support.no_limits import NoLimits
from support.operator_socket import listen

from hive.agents import Agent, AgentDependencies, AgentsConfig, ClaudeConfig
from hive.agents import socket as agent_socket
from hive.approvals import ApprovalService
from hive.broker import Broker
from hive.cli import main
from hive.config_repos import ConfigRepositories
from hive.credentials import ApiAccess, CurrentAccess
from hive.directory import AgentRecord, Directory
from hive.link import RemoteError, connect
from hive.operator import reminders as reminders_of
from hive.operator import schedules as schedules_of
from hive.operator.audit import AuditLog
from hive.operator.handlers import sum_of
from hive.paths import Paths
from hive.questions import QuestionService
from hive.redact import Secrets
from hive.reminders import ReminderService, StateFolder
from hive.schedules import ScheduleService
from hive.store import MIGRATIONS, Store, open_store
from hive.supervisors import Context
from hive.wake_ups import WakeUpService
from hive.wire.bodies import Body
from hive.wire.codec import PROTOCOL
from hive.wire.frames import Hello
from hive.wire.reminders import CancelReminder, GetReminders, ListReminders, Remind, ReminderRollup
from hive.wire.schedules import RequestSchedule, ResolveSchedule

HOSTILE = "\x1b]0;title\x07\x1b[2J\r\n\u202emoc\x9b31m<b>"


@define(eq=False)
class ReminderCommands:
    """As much of a hive as these requests need; its agent is `ann`."""

    paths: Paths
    store: Store
    broker: Broker
    audit: AuditLog
    reminders: ReminderService
    schedules: ScheduleService

    async def command(self, *arguments: str) -> Result:
        """`hive …` in a thread, so that the daemon's side can answer."""
        invoke = partial(
            CliRunner().invoke, main, list(arguments), env={"HIVE_ROOT": str(self.paths.root)}
        )
        with trio.fail_after(20):
            return await trio.to_thread.run_sync(invoke)

    async def ask(self, *bodies: Body) -> Any:
        """As ann's harness; the last answer."""
        hello = Hello(PROTOCOL, "harness", "i")
        async with connect(self.paths.socket("ann"), hello) as (peer, _):
            for body in bodies:
                answer = await peer.request(body, timeout=5)
        return answer

    async def audited(self) -> list[tuple[str, str]]:
        return [(e.action, e.target) for e in await self.audit.newest(10)]


@pytest.fixture
async def hive(tmp_path: Path) -> AsyncIterator[ReminderCommands]:
    paths = Paths(tmp_path)
    paths.prepare()
    state = tmp_path / "agents" / "ann" / "state"
    state.mkdir(parents=True)
    async with open_store(paths.database, MIGRATIONS) as store, trio.open_nursery() as nursery:
        broker = Broker(store, Named(lambda: ["ann"]), publish=lambda *_: None)
        await broker.load()
        audit = AuditLog(store)
        reminders = ReminderService(
            store,
            broker,
            state_folder=lambda name: StateFolder(state, Path(f"/agents/{name}/state")),
            publish=lambda *_: None,
        )
        schedules = ScheduleService(
            store, broker, directory=Named(lambda: ["ann"]), publish=lambda *_: None
        )
        directory = Directory(store)
        repositories = ConfigRepositories(paths, bwrap=None)
        dependencies = AgentDependencies(
            paths=paths,
            config=AgentsConfig(stop_grace_s=1, reconnect_grace_s=1),
            claude=Path("/claude"),
            claude_config=ClaudeConfig(),
            access=CurrentAccess(ApiAccess(), paths.credentials, Secrets()),
            broker=broker,
            questions=QuestionService(store, broker, Named(lambda: {"ann"})),
            wake_ups=WakeUpService(store, broker),
            limits=NoLimits(),
            directory=directory,
            reminders=reminders,
            schedules=schedules,
            approvals=ApprovalService(
                store, broker, directory, repositories, publish=lambda *_: None
            ),
            driver=lambda name: pytest.fail("no container here"),
            publish=lambda *_: None,
            changed=lambda name: None,
            readonly=(),
            redact=lambda value: value,
        )
        await dependencies.directory.create(AgentRecord("ann", "none"))
        agent = Agent("ann", dependencies)
        hive = ReminderCommands(paths, store, broker, audit, reminders, schedules)
        tables = (
            reminders_of.table(reminders, dependencies.directory),
            schedules_of.table(schedules),
        )
        await listen(nursery, paths, sum_of(*tables), audit)
        children = (
            partial(agent_socket.run, agent=agent),
            partial(reminders.scheduler, agent="ann"),
            schedules.run,
        )
        contexts = [Context(f"hive/agents/ann/{n}") for n in range(len(children))]
        for child, ctx in zip(children, contexts, strict=True):
            nursery.start_soon(child, ctx)
        with trio.fail_after(5):
            while any(ctx.ready_at is None for ctx in contexts):
                await trio.testing.wait_all_tasks_blocked(0.01)
        yield hive
        nursery.cancel_scope.cancel()


async def test_an_agent_sets_lists_and_cancels(hive: ReminderCommands) -> None:
    first = await hive.ask(Remind("later", delay_s=500.0))
    soon = f"{datetime.now(UTC) + timedelta(seconds=50):%Y-%m-%dT%H:%M:%SZ}"
    second = await hive.ask(Remind("sooner", at=soon))
    listed = (await hive.ask(ListReminders())).reminders
    assert [(one.id, one.text) for one in listed] == [(second.id, "sooner"), (first.id, "later")]
    await hive.ask(CancelReminder(first.id))
    await hive.ask(CancelReminder(first.id))  # said again: its answer was lost
    with pytest.raises(RemoteError, match="see list_reminders") as refused:
        await hive.ask(CancelReminder(first.id + 1000))
    assert refused.value.code == "no_such_reminder"
    rollup = await hive.ask(ReminderRollup(0.0, agent="somebody-else"))
    assert (rollup.pending, rollup.cancelled, rollup.lateness_p50_s) == (1, 1, None)


async def test_the_burst_is_limited_and_the_error_tells_until_when(hive: ReminderCommands) -> None:
    await hive.ask(*[Remind("x", delay_s=500.0)] * 10)
    with pytest.raises(RemoteError, match=r"next one is allowed in 1\d\d s, at 20") as refused:
        await hive.ask(Remind("x", delay_s=500.0))
    assert refused.value.code == "too_many_reminders"


async def test_the_operators_requests_do_not_exist_on_an_agents_socket(
    hive: ReminderCommands,
) -> None:
    for body in (GetReminders(), ResolveSchedule(1, "approve")):
        with pytest.raises(RemoteError) as refused:
            await hive.ask(body)
        assert refused.value.code == "not_allowed"


async def test_a_long_one_comes_in_a_file_and_its_message_says_where(
    hive: ReminderCommands,
) -> None:
    text = "ä" * 10_000
    await hive.ask(Remind(text, delay_s=0.05), Remind("short", delay_s=0.05, file="plan.md"))
    with trio.fail_after(5):
        while hive.broker.counts().get("ann") is None or hive.broker.counts()["ann"].queued < 2:
            await trio.testing.wait_all_tasks_blocked(0.01)
    long, short = [message.body for message in await hive.broker.inbox("ann")]
    assert "is in /agents/ann/state/reminders/1.txt and begins:\nää" in long
    assert "is in /agents/ann/state/reminders/plan.md and begins:\nshort" in short
    folder = hive.paths.agent("ann").state / "reminders"
    assert (folder / "1.txt").read_text() == text
    assert (folder / "plan.md").read_text() == "short"
    result = await hive.command("reminders", "ann")
    assert "2 attempted, 2 delivered, 0 cancelled; late by" in result.output


async def test_one_that_cannot_be_written_fails_and_the_operator_retries_it(
    hive: ReminderCommands,
) -> None:
    elsewhere = hive.paths.root / "elsewhere"
    elsewhere.mkdir()
    link = hive.paths.agent("ann").state / "reminders"
    link.symlink_to(elsewhere)
    await hive.ask(Remind("x" * 5000, delay_s=0.01))
    with trio.fail_after(5):
        while not (one := (await hive.reminders.listed("ann"))[0]).attempts:
            await trio.testing.wait_all_tasks_blocked(0.01)
    assert one.error is not None and "could not be written" in one.error
    assert list(elsewhere.iterdir()) == []
    await hive.store.write(
        lambda c: c.execute("UPDATE reminders SET state = 'failed', attempts = 5").fetchall()
    )
    assert "failed" in (await hive.command("reminders")).output
    link.unlink()
    result = await hive.command("reminders", "retry", "1")
    assert (result.exit_code, result.output) == (0, "reminder 1 is tried again\n")
    with trio.fail_after(5):
        await hive.broker.wait_queued("ann")
    assert await hive.audited() == [("retry", "reminder 1")]


async def test_the_list_of_reminders_drives_no_terminal(hive: ReminderCommands) -> None:
    assert "no reminder waits" in (await hive.command("reminders")).output
    await hive.ask(Remind(HOSTILE, delay_s=500.0))
    shown = (await hive.command("reminders", "ann")).output
    assert all(c.isprintable() or c == "\n" for c in shown)
    whole = json.loads((await hive.command("reminders", "--json")).output)
    assert whole["reminders"][0]["text"] == HOSTILE
    assert whole["rollup"]["pending"] == 1
    result = await hive.command("reminders", "cancel", "1")
    assert result.output == "reminder 1 is cancelled\n"
    again = await hive.command("reminders", "cancel", "1")
    assert again.exit_code == 1 and "see `hive reminders`" in again.output
    unknown = await hive.command("reminders", "nobody")
    assert unknown.exit_code == 1 and "no agent 'nobody'" in unknown.output
    for words in (("retry", "x"), ("undo", "1"), ("a", "b", "c")):
        assert (await hive.command("reminders", *words)).exit_code == 2


async def test_a_schedule_from_request_to_run(hive: ReminderCommands) -> None:
    asked = await hive.ask(
        RequestSchedule(HOSTILE, ("ann", "operator"), cron="30 9 * * 1-5", zone="Europe/Berlin")
    )
    assert len(asked.next) == 3 and asked.next[0] > time.time()
    shown = (await hive.command("schedules")).output
    assert "requested" in shown and "30 9 * * 1-5 Europe/Berlin" in shown
    assert all(c.isprintable() or c == "\n" for c in shown)
    approved = await hive.command("schedules", "approve", "1")
    assert (approved.exit_code, approved.output) == (0, "schedule 1 runs from now on\n")
    assert (await hive.ask(ListReminders())).schedules[0].state == "active"
    edited = await hive.command(
        "schedules", "edit", "1", "--every", "90m", "--text", "go", "--to", "ann"
    )
    assert (edited.exit_code, edited.output) == (0, "schedule 1 is changed\n")
    assert (await hive.command("schedules", "edit", "1")).exit_code == 2
    assert (await hive.command("schedules", "fire", "1")).output == "schedule 1 has run\n"
    assert (await hive.broker.inbox("ann"))[-1].body.endswith(":\ngo")
    (one,) = json.loads((await hive.command("schedules", "--json")).output)
    assert (one["every_s"], one["cron"], one["fired"], one["to"]) == (5400.0, None, 1, ["ann"])
    await hive.ask(CancelReminder(1, schedule=True))
    assert (await hive.command("schedules")).output == "no schedules\n"
    assert "cancelled" in (await hive.command("schedules", "--all")).output
    assert (await hive.command("schedules", "deny", "1")).exit_code == 1
    assert [action for action, _ in await hive.audited()] == ["approve", "edit", "fire", "deny"]


async def test_a_bad_schedule_is_explained_to_the_agent(hive: ReminderCommands) -> None:
    with pytest.raises(RemoteError, match="IANA time zone") as refused:
        await hive.ask(RequestSchedule("x", cron="* * * * *", zone="Mars"))
    assert refused.value.code == "bad_schedule"
