"""Turns with the real CLI: a scripted model behind it, an in-memory daemon before it."""

import os
import signal
from pathlib import Path

import pytest
import trio
import trio.testing
from attrs import evolve

from harness.cli.repair import Repaired, repair
from hive.demo import CallTool, Fail, FailKind, ModelAnswer, Rule, Say, Stall
from hive.wire.daemon import Notice
from hive.wire.harness import Interrupt, StopHarness
from hive.wire.turns import Outcome, Text, ToolCall, ToolResult, TurnEnded, TurnStarted

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
        hive.script.add(Rule(ModelAnswer((CallTool("Bash", {"command": command}),)), count=1))
        hive.daemon.deliver("work")
        await hive.daemon.until(lambda: hive.daemon.of(ToolCall))
        claude = min(hive.processes())
        await hive.until(lambda: any(runs_apart(pid, "sleep 300") for pid in hive.processes()))
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
        hive.script.add(Rule(ModelAnswer((CallTool("Bash", {"command": command}),)), count=1))
        hive.daemon.deliver("work")
        await hive.daemon.reports(1)
        await hive.until(lambda: zombies() <= before)


async def test_recv_takes_waiting_messages_into_the_turn(start):
    async with start() as hive:
        rule = Rule(ModelAnswer((CallTool("mcp__hive__recv", {}),)), text="first", count=1)
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
        hive.script.add(Rule(ModelAnswer((Say("slowly", over=1.5),)), count=1))
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
        hive.script.add(Rule(ModelAnswer((Say("slowly", over=1.0),)), count=1))
        hive.daemon.deliver("work")
        await hive.script.wait_requests(1)
        hive.stop_daemon()
        await hive.until(lambda: any(isinstance(one, TurnEnded) for one in hive.waiting()))
        await hive.start_daemon()
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.COMPLETED
        await hive.daemon.until(lambda: hive.daemon.of(TurnEnded))
        assert len(hive.daemon.of(TurnStarted)) == 1


async def test_without_a_daemon_the_harness_ends_after_its_turn(start):
    async with start(orphan_after_s=0.5) as hive:
        hive.script.add(Rule(ModelAnswer((Say("slowly", over=2.0),)), count=1))
        hive.daemon.deliver("work")
        await hive.script.wait_requests(1)
        hive.stop_daemon()
        with trio.fail_after(20):
            await hive.done.wait()
        assert hive.code == 0
        assert hive.processes() == []
        (ended,) = (one for one in hive.waiting() if isinstance(one, TurnEnded))
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


def zombies() -> set[str]:
    found = set()
    for thread in Path("/proc/self/task").iterdir():
        for pid in (thread / "children").read_text().split():
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            if state == "Z":
                found.add(pid)
    return found


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


DAMAGE = {
    "configuration cut": (".claude.json", cut, True),
    "configuration empty": (".claude.json", lambda path: os.truncate(path, 0), True),
    "configuration noise": (".claude.json", lambda path: path.write_bytes(os.urandom(400)), True),
    "a pipe for a configuration": (".claude.json", a_pipe, True),
    "transcript empty": (".claude/projects/*/*.jsonl", lambda path: os.truncate(path, 0), False),
    "a pipe for a transcript": (".claude/projects/*/*.jsonl", a_pipe, False),
    "transcript cut": (".claude/projects/*/*.jsonl", cut, True),
}


@pytest.mark.parametrize("name", DAMAGE)
async def test_damaged_files_of_the_cli_cost_no_message(start, name):
    place, damage, keeps_session = DAMAGE[name]
    async with start() as hive:
        hive.daemon.deliver("first")
        (first,) = await hive.daemon.reports(1)
        await hive.stop_harness()
        for path in (hive.base / "claude").glob(place):
            damage(path)
        hive.start_harness()
        hive.daemon.deliver("second")
        _, second = await hive.daemon.reports(2)
        assert second.outcome is Outcome.COMPLETED, second.detail
        assert len(hive.daemon.finished) == 2
        assert (second.session == first.session) is keeps_session
        await hive.daemon.until(lambda: len(hive.daemon.of(TurnEnded)) == 2)
        said = "\n".join(notice.text for notice in hive.daemon.of(Notice))
        assert bool(said) is (name != "transcript cut"), "the CLI itself reads on behind a cut"
        assert keeps_session or "a new one begins" in said


async def test_what_is_damaged_while_the_cli_starts_is_found_when_it_failed(start, monkeypatch):
    """Nothing is wrong at the look before the start, or the look came too early."""
    looks = []

    def late(home, session):
        looks.append(session)
        return Repaired() if len(looks) == 1 else repair(home, session)

    monkeypatch.setattr("harness.turns.conversation.repair", late)
    async with start() as hive:
        (hive.base / "claude" / ".claude.json").write_text("{")
        hive.daemon.deliver("work")
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.COMPLETED, report.detail
        assert len(looks) == 3
