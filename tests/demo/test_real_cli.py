"""The real CLI against the scripted API: a turn with a tool, and every failure it can tell apart.

What a failure must look like is the CLI's own behaviour: a change of it shows here.
"""

import time
from typing import Any

import pytest
import trio

from hive.demo import (
    CallTool,
    Drop,
    Fail,
    FailKind,
    LimitHeaders,
    ModelAnswer,
    Reply,
    Rule,
    Say,
    Stall,
)
from hive.demo.persona import FIRST_TASK


def prompt(body: str, number: int = 1, sender: str = "operator") -> str:
    return f"[hive] message {number} from {sender}\n{body}\n[hive] end of message {number}"


async def test_the_manager_greets_and_delegates_in_one_turn(api: Any, claude: Any) -> None:
    async with claude() as cli:
        result = await cli.turn(prompt("welcome"))
        assert (result["is_error"], result["terminal_reason"]) == (False, "completed")
        assert result["result"] == "I have asked worker-1 and wait for the answer."
        assert cli.sent == [{"to": "worker-1", "body": FIRST_TASK}]
        assert cli.last("system", "init")["mcp_servers"][0]["status"] == "connected"
        await cli.turn(prompt("bees dance", 2, "worker-1"))
    assert cli.sent[1:] == [{"to": "operator", "body": 'worker-1 reports: "bees dance"'}]
    assert [(r.agent, r.stream, r.auth) for r in api.script.requests] == [
        ("manager", True, "key")
    ] * 4


async def test_an_unreachable_agent_is_told_to_the_operator(claude: Any) -> None:
    async with claude(unreachable=frozenset({"worker-1"})) as cli:
        await cli.turn(prompt("welcome", 8))
    assert [message["to"] for message in cli.sent] == ["worker-1", "operator"]
    assert cli.sent[1]["in_reply_to"] == 8


async def test_a_scripted_tool_call_runs_and_the_persona_goes_on(api: Any, claude: Any) -> None:
    api.script.add(
        Rule(ModelAnswer((CallTool("Bash", {"command": "echo buzz"}),)), text="boom", count=1)
    )
    async with claude(agent="worker-1") as cli:
        await cli.turn(prompt("boom", 3))
        outputs = [b["content"] for line in cli.lines for b in _results(line)]
    assert outputs[0] == "buzz"
    assert cli.sent[0]["in_reply_to"] == 3


def _results(line: dict[str, Any]) -> list[dict[str, Any]]:
    content = line.get("message", {}).get("content", ()) if line["type"] == "user" else ()
    return [block for block in content if block["type"] == "tool_result"]


API_KEY: list[tuple[Reply, dict[str, Any]]] = [
    (Fail(FailKind.RATE_LIMIT), {"api_error_status": 429, "error": "rate_limit"}),
    (Fail(FailKind.OVERLOADED), {"api_error_status": 529, "api_error_type": "overloaded_error"}),
    (Fail(FailKind.OVERLOADED, in_stream=True), {"api_error_status": 529}),
    (Fail(FailKind.SERVER_500), {"api_error_status": 500, "error": "server_error"}),
    (Fail(FailKind.SERVER_502), {"api_error_status": 502, "error": "server_error"}),
    (Fail(FailKind.SERVER_503), {"api_error_status": 503, "error": "server_error"}),
    (Fail(FailKind.BAD_KEY), {"api_error_status": 401, "error": "authentication_failed"}),
    (Fail(FailKind.FORBIDDEN), {"api_error_status": 403, "error": "authentication_failed"}),
    (Fail(FailKind.VERIFICATION), {"api_error_status": 403, "error": "verification_required"}),
    (Fail(FailKind.ORG_DISABLED), {"api_error": "org_disabled_credential"}),
    (Fail(FailKind.NO_CREDIT), {"error": "billing_error", "api_error_status": 400}),
    (Fail(FailKind.BAD_REQUEST), {"api_error_status": 400, "error": "unknown"}),
    (Fail(FailKind.TOO_LARGE), {"api_error_status": 413, "terminal_reason": "image_error"}),
    (Fail(FailKind.NO_MODEL), {"api_error_status": 404, "error": "model_not_found"}),
    (Drop("headers"), {"api_error": "connection_failed"}),
    (Drop("stream"), {"api_error": "connection_failed"}),
    (ModelAnswer((Say("x"),), stop_reason="refusal"), {"stop_reason": "refusal"}),
    (ModelAnswer((Say("x"),), stop_reason="max_tokens"), {"api_error": "max_output_tokens"}),
]


async def test_every_failure_is_told_apart_by_the_cli(api: Any, claude: Any) -> None:
    """One process for all: a failed turn does not end it."""
    async with claude() as cli:
        for reply, expected in API_KEY:
            api.script.clear()
            api.script.add(Rule(reply))
            del cli.lines[:]
            seen = await cli.turn(prompt("hello"))
            assert seen["is_error"], reply
            assert {k: ({**cli.failure, **seen})[k] for k in expected} == expected, reply
        api.script.clear()
        assert not (await cli.turn(prompt("hello", 2)))["is_error"]
    assert cli.sent[-1]["in_reply_to"] == 2


@pytest.mark.parametrize("kind", [FailKind.PROMPT_TOO_LONG, FailKind.MAX_TOKENS_CONTEXT])
async def test_a_full_context(api: Any, claude: Any, kind: FailKind) -> None:
    """Too long at once is an error; with older messages to drop, the CLI compacts and goes on."""
    api.script.add(
        Rule(Fail(kind), text="too long at once"), Rule(Fail(kind), text="more", count=1)
    )
    async with claude() as cli:
        result = await cli.turn(prompt("too long at once"))
        assert result["terminal_reason"] == "prompt_too_long"
        for number in (2, 3, 4):
            await cli.turn(prompt("hello", number))
        result = await cli.turn(prompt("more", 5))
        assert (result["is_error"], cli.sent[-1]["in_reply_to"]) == (False, 5)
        assert cli.last("system", "compact_boundary")["compact_metadata"]["trigger"] == "auto"


async def test_a_subscription_says_when_its_limit_resets(api: Any, claude: Any) -> None:
    reset = int(time.time()) + 1000
    async with claude(oauth=True) as cli:
        for kind, claim in ((FailKind.LIMIT_5H, "five_hour"), (FailKind.LIMIT_7D, "seven_day")):
            api.script.clear()
            api.script.add(Rule(Fail(kind, reset=reset)))
            before = len(api.script.requests)
            result = await cli.turn(prompt("hello"))
            assert result["api_error"] == "usage_limit_reached"
            info = cli.last("rate_limit_event")["rate_limit_info"]
            assert (info["status"], info["rateLimitType"]) == ("rejected", claim)
            assert info["resetsAt"] == reset
            assert len(api.script.requests) == before + 1
        api.script.clear()
        api.script.add(
            Rule(LimitHeaders("allowed_warning", "seven_day", seven_day=0.9, reset=reset))
        )
        assert not (await cli.turn(prompt("hello")))["is_error"]
        info = cli.last("rate_limit_event")["rate_limit_info"]
        assert (info["status"], info["utilization"]) == ("allowed_warning", 0.9)
    assert {record.auth for record in api.script.requests} == {"token"}


async def test_an_oauth_token_that_is_no_good(api: Any, claude: Any) -> None:
    api.script.add(
        Rule(Fail(FailKind.OAUTH_EXPIRED), text="expired"),
        Rule(Fail(FailKind.OAUTH_REVOKED), text="revoked"),
        Rule(Fail(FailKind.ORG_NOT_ALLOWED), text="not allowed"),
    )
    async with claude(oauth=True) as cli:
        assert (await cli.turn(prompt("expired")))["api_error_status"] == 401
        assert (await cli.turn(prompt("revoked")))["api_error_status"] == 403
        assert cli.failure["error"] == "authentication_failed"
        assert (await cli.turn(prompt("not allowed")))["api_error_status"] == 403
        assert cli.failure["error"] == "oauth_org_not_allowed"


async def test_retry_after_and_should_retry_are_obeyed(api: Any, claude: Any) -> None:
    api.script.add(
        Rule(Fail(FailKind.RATE_LIMIT, retry_after=1), text="later", count=1),
        Rule(Fail(FailKind.RATE_LIMIT, should_retry=False), text="never"),
    )
    async with claude(CLAUDE_CODE_MAX_RETRIES="1") as cli:
        assert not (await cli.turn(prompt("later")))["is_error"]
        assert cli.last("system", "api_retry")["retry_delay_ms"] >= 1000
        before = len(api.script.requests)
        assert (await cli.turn(prompt("never", 2)))["is_error"]
        assert len(api.script.requests) == before + 1


async def test_an_empty_answer_is_asked_for_again(api: Any, claude: Any) -> None:
    api.script.add(Rule(ModelAnswer()))
    async with claude() as cli:
        result = await cli.turn(prompt("hello"))
    assert (result["is_error"], result["result"]) == (False, "")
    assert len(api.script.requests) == 2


async def test_a_stall_before_the_headers_times_out(api: Any, claude: Any) -> None:
    api.script.add(Rule(Stall("headers")))
    async with claude(API_TIMEOUT_MS="300") as cli:
        result = await cli.turn(prompt("hello"))
    assert result["result"].startswith("Request timed out")


@pytest.mark.parametrize("ping", [0.05, None])
async def test_a_stalled_stream_is_ended_by_an_interrupt_only(
    api: Any, claude: Any, ping: float | None
) -> None:
    api.script.add(Rule(Stall("stream", ping=ping), text="stall"))
    async with claude(API_TIMEOUT_MS="300") as cli, trio.open_nursery() as nursery:

        async def turn() -> None:
            result = await cli.turn(prompt("stall"))
            assert result["terminal_reason"] == "aborted_streaming"
            assert not (await cli.turn(prompt("hello", 2)))["is_error"]

        nursery.start_soon(turn)
        await api.script.wait_requests(1)
        await trio.sleep(0.5)  # longer than the time-out, which is only for the headers
        assert len(api.script.requests) == 1
        stop = {"type": "control_request", "request_id": "s", "request": {"subtype": "interrupt"}}
        await cli.write(stop)


async def test_a_resumed_session_is_answered_from_its_own_history(api: Any, claude: Any) -> None:
    """The API keeps nothing: another server goes on where the first was."""
    async with claude() as cli:
        first = await cli.turn(prompt("welcome"))
    api.script.requests.clear()
    async with claude("--resume", first["session_id"]) as cli:
        await cli.turn(prompt("bees dance", 2, "worker-1"))
    assert cli.sent == [{"to": "operator", "body": 'worker-1 reports: "bees dance"'}]
    assert api.script.requests[0].parts > 3
