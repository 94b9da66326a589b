"""Turns with the real CLI: a scripted model behind it, an in-memory daemon before it."""

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

from harness import claude
from hive.demo import Answer, Call, Delay, Fail, FailKind, Rule, Say, Stall
from hive.wire import (
    Event,
    Interrupt,
    Outcome,
    StopHarness,
    Text,
    ToolCall,
    ToolResult,
    TurnEnded,
    TurnStarted,
)

OAUTH = (("CLAUDE_CODE_OAUTH_TOKEN", "oauth-test"),)


async def test_a_message_is_worked_on_and_answered_through_the_tool(start):
    async with start() as hive:
        number = hive.daemon.deliver("Please say hello.", sender="manager")
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.COMPLETED
        (sent,) = hive.daemon.sent
        assert sent.to == "manager" and sent.in_reply_to == number and sent.key
        await hive.daemon.until(lambda: hive.daemon.of(TurnEnded))
        kinds = [type(event) for event in hive.daemon.events]
        turn = [TurnStarted, Text, ToolCall, ToolResult, Text, TurnEnded]
        assert [kind for kind in kinds if kind in turn] == turn
        assert report.usage.output_tokens > 0 and report.usage.cost_usd > 0
        assert await hive.stop_harness() == 0
        assert hive.processes() == []


async def test_two_turns_share_one_process_and_one_conversation(start):
    async with start() as hive:
        hive.daemon.deliver("first")
        await hive.daemon.reports(1)
        before = hive.processes()
        hive.daemon.deliver("second")
        first, second = await hive.daemon.reports(2)
        assert hive.processes() == before
        assert first.session == second.session
        assert second.duration_s < first.duration_s


async def test_a_restarted_harness_goes_on_with_the_conversation(start):
    async with start() as hive:
        hive.daemon.deliver("remember the word heather")
        (first,) = await hive.daemon.reports(1)
        await hive.stop_harness()
        hive.start_harness()
        hive.daemon.deliver("go on")
        _, second = await hive.daemon.reports(2)
        assert second.outcome is Outcome.COMPLETED
        assert second.session == first.session
        assert len({hello.instance for hello in hive.daemon.hellos}) == 2


async def test_a_session_that_is_lost_is_begun_anew(start):
    async with start() as hive:
        hive.daemon.deliver("first")
        (first,) = await hive.daemon.reports(1)
        await hive.stop_harness()
        lost = "00000000-0000-4000-8000-000000000000"
        (hive.base / "harness" / "session").write_text(lost)
        hive.start_harness()
        hive.daemon.deliver("second")
        _, second = await hive.daemon.reports(2)
        assert second.outcome is Outcome.COMPLETED
        assert second.session not in (lost, first.session)
        assert (hive.base / "harness" / "session").read_text().strip() == second.session


async def test_two_kinds_of_credentials_start_nothing(start):
    async with start(environment=(*OAUTH, ("ANTHROPIC_API_KEY", "sk"))) as hive:
        hive.daemon.deliver("work")
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.UNAUTHORISED
        assert "ANTHROPIC_API_KEY" in report.detail
        assert hive.processes() == []


async def test_a_missing_cli_is_told(start):
    async with start() as hive:
        hive.daemon.settings = evolve(hive.daemon.settings, claude="/nowhere/claude")
        await hive.daemon.until(lambda: hive.daemon.peer)
        await hive.daemon.peer.close()
        await hive.daemon.until(lambda: len(hive.daemon.hellos) == 2)
        hive.daemon.deliver("work")
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.FAILED and "/nowhere/claude" in report.detail


async def test_a_full_context_costs_the_conversation_but_not_the_message(start):
    async with start() as hive:
        hive.daemon.deliver("first")
        (first,) = await hive.daemon.reports(1)
        # The CLI asks three times (it tries to compact) before it gives up a conversation.
        hive.script.add(Rule(Fail(FailKind.TOO_LARGE), count=3))
        hive.daemon.deliver("second")
        _, second = await hive.daemon.reports(2)
        assert second.outcome is Outcome.COMPLETED
        assert second.session != first.session
        assert len(hive.daemon.finished) == 2


async def test_a_context_that_is_full_at_once_is_told(start):
    async with start() as hive:
        hive.script.add(Rule(Fail(FailKind.PROMPT_TOO_LONG)))
        hive.daemon.deliver("work")
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.CONTEXT_FULL


async def test_an_interrupt_ends_the_turn_and_not_the_process(start):
    async with start() as hive:
        hive.script.add(Rule(Stall("stream"), count=1))
        hive.daemon.deliver("work for ever")
        await hive.script.wait_requests(1)
        before = hive.processes()
        await hive.daemon.peer.push(Interrupt())
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.INTERRUPTED
        hive.daemon.deliver("another")
        assert (await hive.daemon.reports(2))[1].outcome is Outcome.COMPLETED
        assert hive.processes() == before


async def test_an_interrupt_before_the_prompt_costs_no_request(start):
    async with start() as hive:
        hive.daemon.deliver("work")
        await hive.daemon.until(lambda: hive.daemon.of(TurnStarted))
        await hive.daemon.peer.push(Interrupt())
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.INTERRUPTED
        assert len(hive.script.requests) == 0
        hive.daemon.deliver("another")
        assert (await hive.daemon.reports(2))[1].outcome is Outcome.COMPLETED


async def test_a_silent_turn_is_ended(start):
    async with start(turn_silence_s=1.5) as hive:
        hive.script.add(Rule(Stall("stream"), count=1))
        hive.daemon.deliver("work")
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.FAILED and report.detail.startswith("silent")
        hive.daemon.deliver("another")
        assert (await hive.daemon.reports(2))[1].outcome is Outcome.COMPLETED


def runs_apart(pid: int, command: str) -> bool:
    """Whether the process runs `command` and leads a session of its own."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
        return " ".join(words) == command and os.getsid(pid) == pid
    except OSError:
        return False  # it has ended meanwhile


async def test_a_killed_process_fails_its_turn_and_leaves_nothing(start):
    """SIGKILL in the first turn of a session; its tool runs in a session of its own."""
    command = "setsid sleep 300 & sleep 1; while true; do sleep 1; done"
    async with start() as hive:
        hive.script.add(Rule(Answer((Call("Bash", {"command": command}),)), count=1))
        hive.daemon.deliver("work")
        await hive.daemon.until(lambda: hive.daemon.of(ToolCall))
        claude = min(hive.processes())
        await until(lambda: any(runs_apart(pid, "sleep 300") for pid in hive.processes()))
        os.kill(claude, signal.SIGKILL)
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.FAILED and "signal 9" in report.detail
        assert hive.processes() == []
        hive.daemon.deliver("another")
        assert (await hive.daemon.reports(2))[1].outcome is Outcome.COMPLETED


async def test_orphans_are_reaped_while_the_harness_lives(start):
    async with start() as hive:
        before = zombies()  # of tests before this one, in this same process
        command = "(setsid sh -c 'exit 3' &) ; true"
        hive.script.add(Rule(Answer((Call("Bash", {"command": command}),)), count=1))
        hive.daemon.deliver("work")
        await hive.daemon.reports(1)
        await until(lambda: zombies() <= before)


async def test_recv_takes_waiting_messages_into_the_turn(start):
    async with start() as hive:
        rule = Rule(Answer((Call("mcp__hive__recv", {}),)), text="first", count=1)
        hive.script.add(rule)
        hive.daemon.deliver("first")
        hive.daemon.deliver("second")
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.COMPLETED
        assert hive.daemon.queue == []
        await hive.daemon.until(lambda: hive.daemon.of(ToolResult))
        assert "[hive] message 2 from operator\nsecond\n" in hive.daemon.of(ToolResult)[0].text


async def test_a_lost_connection_costs_no_turn(start):
    async with start() as hive:
        hive.script.add(Rule(Answer((Say("slowly", over=1.5),)), count=1))
        hive.daemon.deliver("work")
        await hive.script.wait_requests(1)
        lease = hive.daemon.lease
        hive.stop_daemon()
        await hive.start_daemon()
        await hive.daemon.until(lambda: len(hive.daemon.hellos) == 2)
        assert hive.daemon.hellos[1].lease == lease.id
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.COMPLETED
        assert hive.daemon.finished[0].lease == lease.id
        await hive.daemon.until(lambda: hive.daemon.of(TurnEnded))
        assert len(hive.daemon.of(TurnStarted)) == 1


async def test_a_finish_waits_for_the_daemon(start):
    async with start() as hive:
        hive.script.add(Rule(Answer((Say("slowly", over=1.0),)), count=1))
        hive.daemon.deliver("work")
        await hive.script.wait_requests(1)
        hive.stop_daemon()
        await until(lambda: any(isinstance(one, TurnEnded) for one in waiting(hive)))
        await hive.start_daemon()
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.COMPLETED
        await hive.daemon.until(lambda: hive.daemon.of(TurnEnded))
        assert len(hive.daemon.of(TurnStarted)) == 1


async def test_without_a_daemon_the_harness_ends_after_its_turn(start):
    async with start(orphan_after_s=0.5) as hive:
        hive.script.add(Rule(Answer((Say("slowly", over=2.0),)), count=1))
        hive.daemon.deliver("work")
        await hive.script.wait_requests(1)
        hive.stop_daemon()
        with trio.fail_after(20):
            await hive.done.wait()
        assert hive.code == 0
        assert hive.processes() == []
        (ended,) = (one for one in waiting(hive) if isinstance(one, TurnEnded))
        assert ended.outcome is Outcome.COMPLETED


async def test_told_to_stop_it_interrupts_reports_and_ends(start):
    async with start() as hive:
        hive.script.add(Rule(Stall("stream"), count=1))
        hive.daemon.deliver("work")
        await hive.script.wait_requests(1)
        await hive.daemon.peer.push(StopHarness(grace=10))
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.INTERRUPTED
        with trio.fail_after(10):
            await hive.done.wait()
        assert hive.code == 0
        assert hive.processes() == []


async def test_a_serve_loop_that_hangs_is_restarted_and_the_message_worked_on(start, monkeypatch):
    monkeypatch.setenv("HIVE_FAULT", "serve.hang-leased:once")
    async with start(take_wait=0.5, watchdog=3.0) as hive:
        hive.daemon.deliver("work")
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.COMPLETED
        (started,) = hive.daemon.of(TurnStarted)
        assert started.messages == (1,)


async def test_a_turn_that_hangs_is_ended_and_the_message_worked_on(start, monkeypatch):
    monkeypatch.setenv("HIVE_FAULT", "turn.hang:once")
    async with start(take_wait=0.5, watchdog=3.0) as hive:
        hive.daemon.deliver("work")
        (report,) = await hive.daemon.reports(1, timeout=30)
        assert report.outcome is Outcome.COMPLETED


async def until(condition, timeout: float = 10.0) -> None:
    """For what happens in other processes, where there is nothing to wait on."""
    with trio.fail_after(timeout):
        while not condition():  # noqa: ASYNC110 - see above
            await trio.sleep(0.02)


def waiting(hive) -> list[Event]:
    """What the harness has not told the daemon yet."""
    return [event for _, event in hive.harness.shared.outbox.batch(5000)[1]]


def zombies() -> set[str]:
    found = set()
    for thread in Path("/proc/self/task").iterdir():
        for pid in (thread / "children").read_text().split():
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            if state == "Z":
                found.add(pid)
    return found


# --- spending, budgets, settings ---------------------------------------------------------------

SUBAGENT = Call(
    "Agent",
    {"description": "help", "prompt": "SUBTASK", "subagent_type": "general-purpose"},
)


async def test_a_running_turn_tells_what_it_has_spent_sub_agents_included(start):
    async with start() as hive:
        hive.script.add(
            Rule(Answer((SUBAGENT,)), text="work", count=1),
            Rule(Answer((Say("a" * 4000),)), text="SUBTASK"),
            Rule(Answer((Say("b" * 400), nap(1.2))), text="work", count=1),
            Rule(Answer((Say("c" * 400), nap(1.2))), text="work", count=1),
            Rule(Answer((Say("done"),))),
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
            Rule(Answer((Say("a" * 40_000),)), text="first"),
            Rule(Answer((Say("b" * 400), nap(1.2))), text="second", count=1),
            Rule(Answer((Say("b" * 400), nap(1.2))), text="third", count=1),
            Rule(Answer((Say("done"),))),
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
                Rule(Answer((Say("x"), nap(1.2))), count=2), Rule(Answer((Say("done"),)))
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
        hive.script.add(Rule(Answer((Say("a" * 4000), nap(30))), count=1))
        hive.daemon.deliver("work")
        await hive.daemon.until(lambda: hive.daemon.spending)
        os.kill(min(hive.processes()), signal.SIGKILL)
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.FAILED
        assert report.usage == hive.daemon.spending[-1].usage
        assert report.usage.output_tokens >= 1000 and report.usage.cost_usd > 0


@pytest.mark.parametrize("deaf", [False, True])
async def test_a_budget_that_is_used_up_ends_the_turn(start, monkeypatch, deaf):
    monkeypatch.setattr(claude, "_STEPS", tuple((sent, 0.2) for sent, _ in claude._STEPS))
    async with start() as hive:
        hive.script.add(Rule(Answer((Say("a" * 4000), nap(30))), count=1))
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
        await until(hive.processes)
        hive.harness.turns.interrupt_soon(over_budget=True)
        await trio.testing.wait_all_tasks_blocked()
        if killed:
            os.kill(min(hive.processes()), signal.SIGKILL)
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.OVER_BUDGET
        assert len(hive.script.requests) == 0


async def test_new_settings_hold_from_the_next_turn_on(start):
    async with start(model="sonnet") as hive:
        hive.script.add(Rule(Answer((Say("slowly", over=1.0),)), text="first"))
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
            Rule(Delay(0.5, Answer((Say("x"), nap(1.2)))), count=1), Rule(Answer((Say("done"),)))
        )
        hive.daemon.deliver("work")
        await hive.script.wait_requests(1)
        hive.stop_daemon()
        await until(lambda: any(isinstance(one, TurnEnded) for one in waiting(hive)))
        await hive.start_daemon()
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.COMPLETED
        assert hive.daemon.signals == [] and hive.daemon.spending == []


def nap(seconds: float) -> Call:
    """The model calls a tool that takes a while; the CLI refuses a plain sleep."""
    return Call("Bash", {"command": f"true; sleep {seconds}; true"})
