"""What turns with the real CLI spend, and budgets and settings that reach them while they run."""

import json
import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing
from attrs import evolve

from harness.cli import claude_process
from hive.demo import CallTool, Delay, ModelAnswer, Rule, Say
from hive.wire.harness import Interrupt
from hive.wire.turns import Outcome, TurnEnded

SUBAGENT = CallTool(
    "Agent",
    {"description": "help", "prompt": "SUBTASK", "subagent_type": "general-purpose"},
)


async def test_a_running_turn_tells_what_it_has_spent_sub_agents_included(start):
    async with start() as hive:
        hive.script.add(
            Rule(ModelAnswer((SUBAGENT,)), text="work", count=1),
            Rule(ModelAnswer((Say("a" * 4000),)), text="SUBTASK"),
            Rule(ModelAnswer((Say("b" * 400), nap(1.2))), text="work", count=1),
            Rule(ModelAnswer((Say("c" * 400), nap(1.2))), text="work", count=1),
            Rule(ModelAnswer((Say("done"),))),
        )
        hive.daemon.deliver("work")
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.COMPLETED
        requests = len(hive.script.requests)
        assert requests == 5  # none of them to ask what was spent
        told = hive.daemon.spending
        assert {one.lease for one in told} == {hive.daemon.finished[0].lease}
        assert 2 <= len(told) <= report.duration_s
        usages = [one.usage for one in told]
        assert usages == sorted(usages, key=lambda usage: usage.tokens)
        assert usages[-1].output_tokens > 1200  # 1000 of them the sub-agent wrote
        # The last request comes after the last telling.
        assert 0.5 < usages[-1].cost_usd / report.usage.cost_usd < 1
        assert usages[-1].tokens < report.usage.tokens


async def test_spending_begins_anew_with_each_turn_and_after_a_restart(start):
    """The CLI counts a session from its beginning, in other processes too."""
    async with start() as hive:
        hive.script.add(
            Rule(ModelAnswer((Say("a" * 40_000),)), text="first"),
            Rule(ModelAnswer((Say("b" * 400), nap(1.2))), text="second", count=1),
            Rule(ModelAnswer((Say("b" * 400), nap(1.2))), text="third", count=1),
            Rule(ModelAnswer((Say("done"),))),
        )
        hive.daemon.deliver("first")
        hive.daemon.deliver("second")
        await hive.daemon.reports(2)
        await hive.stop_harness()
        hive.start_harness()
        hive.daemon.deliver("third")
        first, second, third = await hive.daemon.reports(3)
        assert first.usage.output_tokens >= 10_000 and first.session == third.session
        told = {one.lease: one.usage for one in hive.daemon.spending}
        for end, report in zip(hive.daemon.finished[1:], (second, third), strict=True):
            assert 90 <= told[end.lease].output_tokens <= report.usage.output_tokens


async def test_to_ask_what_was_spent_asks_nobody_outside(start):
    """The CLI would ask the account of a login in the home; here it could by way of a proxy."""
    asked = []

    async def proxy(stream: trio.SocketStream) -> None:
        asked.append(await stream.receive_some(1000))
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, proxy, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        environment = (("HTTPS_PROXY", f"http://127.0.0.1:{port}"), ("NO_PROXY", "127.0.0.1"))
        async with start(environment=environment) as hive:
            log_in(hive.base / "claude")
            hive.script.add(
                Rule(ModelAnswer((Say("x"), nap(1.2))), count=2), Rule(ModelAnswer((Say("done"),)))
            )
            hive.daemon.deliver("work")
            await hive.daemon.until(lambda: hive.daemon.signals)
            before = len(asked)
            (report,) = await hive.daemon.reports(1)
            assert report.outcome is Outcome.COMPLETED
            assert len(hive.daemon.spending) >= 2
            assert len(asked) == before
        nursery.cancel_scope.cancel()


def log_in(home: Path) -> None:
    """As the CLI's own login leaves it."""
    login = {
        "accessToken": "sk-ant-oat01-x",
        "refreshToken": "sk-ant-ort01-x",
        "expiresAt": (int(time.time()) + 86400) * 1000,
        "scopes": ["user:inference", "user:profile"],
        "subscriptionType": "max",
    }
    (home / ".claude").mkdir()
    (home / ".claude" / ".credentials.json").write_text(json.dumps({"claudeAiOauth": login}))


async def test_a_turn_that_is_killed_reports_what_was_known(start):
    async with start() as hive:
        hive.script.add(Rule(ModelAnswer((Say("a" * 4000), nap(30))), count=1))
        hive.daemon.deliver("work")
        await hive.daemon.until(lambda: hive.daemon.spending)
        os.kill(min(hive.processes()), signal.SIGKILL)
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.FAILED
        assert report.usage == hive.daemon.spending[-1].usage
        assert report.usage.output_tokens >= 1000 and report.usage.cost_usd > 0


@pytest.mark.parametrize("deaf", [False, True])
async def test_a_budget_that_is_used_up_ends_the_turn(start, monkeypatch, deaf):
    monkeypatch.setattr(
        claude_process, "_STEPS", tuple((sent, 0.2) for sent, _ in claude_process._STEPS)
    )
    async with start() as hive:
        hive.script.add(Rule(ModelAnswer((Say("a" * 4000), nap(30))), count=1))
        hive.daemon.deliver("work")
        (told,) = await hive.daemon.until(lambda: hive.daemon.spending)
        pid = min(hive.processes())
        if deaf:
            os.kill(pid, signal.SIGSTOP)
            await hive.harness.turns.interrupt(0.2, over_budget=True)
        else:
            await hive.daemon.peer.push(Interrupt(over_budget=True))
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.OVER_BUDGET and report.detail
        assert report.usage.output_tokens >= told.usage.output_tokens
        assert (pid in hive.processes()) is not deaf
        hive.daemon.deliver("another")
        assert (await hive.daemon.reports(2))[1].outcome is Outcome.COMPLETED


@pytest.mark.parametrize("killed", [False, True])
async def test_an_interrupt_for_the_budget_before_the_prompt(start, killed):
    async with start() as hive:
        hive.daemon.deliver("work")
        await hive.until(hive.processes)
        hive.harness.turns.interrupt_soon(over_budget=True)
        await trio.testing.wait_all_tasks_blocked()
        if killed:
            os.kill(min(hive.processes()), signal.SIGKILL)
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.OVER_BUDGET
        assert len(hive.script.requests) == 0


async def test_new_settings_hold_from_the_next_turn_on(start):
    async with start(model="sonnet") as hive:
        hive.script.add(Rule(ModelAnswer((Say("slowly", over=1.0),)), text="first"))
        hive.daemon.deliver("first")
        await hive.script.wait_requests(1)
        new = evolve(hive.daemon.settings, model="haiku")
        await hive.daemon.peer.push(new)
        hive.daemon.deliver("second")
        first, second = await hive.daemon.reports(2)
        assert "sonnet" in first.model and "haiku" in second.model
        assert (first.outcome, second.outcome) == (Outcome.COMPLETED, Outcome.COMPLETED)
        assert first.session == second.session


async def test_a_turn_ends_well_while_nobody_hears_its_signals(start):
    async with start() as hive:
        hive.script.add(
            Rule(Delay(0.5, ModelAnswer((Say("x"), nap(1.2)))), count=1),
            Rule(ModelAnswer((Say("done"),))),
        )
        hive.daemon.deliver("work")
        await hive.script.wait_requests(1)
        hive.stop_daemon()
        await hive.until(lambda: any(isinstance(one, TurnEnded) for one in hive.waiting()))
        await hive.start_daemon()
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.COMPLETED
        assert hive.daemon.signals == [] and hive.daemon.spending == []


def nap(seconds: float) -> CallTool:
    """The model calls a tool that takes a while; the CLI refuses a plain sleep."""
    return CallTool("Bash", {"command": f"true; sleep {seconds}; true"})
