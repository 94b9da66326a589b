"""The parser of the CLI's stdout: shapes as recorded, and whatever else may come."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.cli import parser
from harness.cli.parser import parse_line
from harness.cli.stream_events import (
    ApiFailure,
    ControlCancelled,
    ControlRequest,
    ControlResponse,
    Cost,
    Garbage,
    Idle,
    Init,
    ModelText,
    ModelToolUse,
    Other,
    Prompted,
    RateLimit,
    Result,
    Retry,
    Thought,
    ToolAnswer,
)
from hive.wire.codec import decode, encode
from hive.wire.turns import Text, Usage

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["\ud83d", "idle", "text", "tool_use", "success"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    sorted(
        set(re.findall(r'get\("(\w+)"\)', Path(parser.__file__).read_text())) | {"costUSD", "idle"}
    )
)
TYPES = st.sampled_from([*parser._READERS, "stream_event", "nonsense"])
LINES = st.builds(
    lambda kind, rest: json.dumps({**rest, "type": kind}).encode(),
    TYPES,
    st.dictionaries(FIELDS, JSON | st.dictionaries(FIELDS, JSON)),
)


def one(**line):
    (event,) = parse_line(json.dumps(line).encode())
    return event


@given(LINES | st.binary() | st.text().map(str.encode))
@example(b"[" * 100_000)
@example(b'{"type":"result","num_turns":' + b"9" * 5000 + b"}")
@example(b'{"type":"result","num_turns":NaN,"is_error":Infinity}')
@example(b'"text"')
@example(b"\xff\xfe")
def test_any_line_gives_events_and_never_an_exception(line):
    events = parse_line(line)
    assert events
    for event in events:
        if isinstance(event, ModelText):
            encode(Text("turn", event.text))  # what leaves here can be encoded


def test_half_an_emoji_is_read():
    event = one(type="assistant", message={"content": [{"type": "text", "text": "a\ud83d"}]})
    assert event == ModelText("a?", nested=False)
    assert decode(encode(Text("t", event.text)), Text).text == "a?"


def test_init():
    servers = [{"name": "hive", "status": "connected", "source": "sdk"}]
    event = one(
        type="system",
        subtype="init",
        session_id="s",
        model="m",
        claude_code_version="2.1.330",
        mcp_servers=servers,
    )
    assert event == Init("s", "m", "2.1.330", (("hive", "connected"),))


def test_blocks_of_an_assistant():
    blocks = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "hello"},
        {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}},
    ]
    line = {"type": "assistant", "message": {"content": blocks}, "parent_tool_use_id": None}
    assert parse_line(json.dumps(line).encode()) == (
        Thought(False),
        ModelText("hello", False),
        ModelToolUse("t1", "Bash", '{"command": "ls"}', False),
    )
    line["parent_tool_use_id"] = "t0"
    assert all(event.nested for event in parse_line(json.dumps(line).encode()))


def test_a_tool_result():
    content = [{"type": "text", "text": "a"}, {"type": "image"}]
    block = {"type": "tool_result", "tool_use_id": "t1", "content": content, "is_error": True}
    event = one(type="user", message={"content": [block]})
    assert event == ToolAnswer("t1", True, "a\n[image]", False)
    assert one(type="user", message={"content": "text"}) == Other("user")


def test_a_synthetic_error():
    event = one(
        type="assistant",
        is_api_error_message=True,
        error="rate_limit",
        api_error="usage_limit_reached",
        api_error_status=429,
        api_error_params={
            "rate_limit_info": {"resetsAt": 1_800_000_000, "rateLimitType": "seven_day"}
        },
        message={"model": "<synthetic>", "content": [{"type": "text", "text": "limit"}]},
    )
    assert event == ApiFailure(
        "rate_limit", "usage_limit_reached", 429, 1.8e9, "limit", "seven_day"
    )


def test_what_the_cli_wrote_itself_is_no_answer_of_the_model():
    content = [{"type": "text", "text": "No response requested."}]
    message = {"model": "<synthetic>", "content": content}
    assert one(type="assistant", message=message) == Other("assistant/synthetic")


def test_a_synthetic_error_of_a_sub_agent_is_not_ours():
    line = {"type": "assistant", "is_api_error_message": True, "parent_tool_use_id": "t"}
    assert one(**line, message={"content": []}) == Other("assistant/nested_error")


def test_retry_and_limit():
    retry = one(
        type="system",
        subtype="api_retry",
        attempt=2,
        retry_delay_ms=1500,
        error_status=None,
        error="server_error",
    )
    assert retry == Retry(2, 1.5, "server_error", None)
    info = {"status": "rejected", "resetsAt": 1_800_000_000, "rateLimitType": "five_hour"}
    limit = one(type="rate_limit_event", rate_limit_info=info)
    assert limit == RateLimit("rejected", "five_hour", 1.8e9)
    info |= {"utilization": 0.9, "isUsingOverage": True}
    limit = one(type="rate_limit_event", rate_limit_info=info)
    assert limit == RateLimit("rejected", "five_hour", 1.8e9, 0.9, overage=True)


def test_a_result():
    usage = {
        "a": {"inputTokens": 1, "outputTokens": 2, "costUSD": 0.5},
        "b": {"inputTokens": 10, "cacheReadInputTokens": 4, "cacheCreationInputTokens": 5},
    }
    event = one(
        type="result",
        subtype="success",
        is_error=False,
        terminal_reason="completed",
        num_turns=2,
        stop_reason="end_turn",
        session_id="s",
        model_usage_since_last_result=usage,
    )
    assert event == Result(
        "success",
        False,
        "completed",
        None,
        None,
        "end_turn",
        (),
        2,
        True,
        "s",
        Usage(11, 2, 4, 5, 0.5),
    )


@pytest.mark.parametrize(
    "extra", [{"origin": {"kind": "task-notification"}}, {"local_command": "compact"}]
)
def test_a_result_that_answers_nothing_of_ours(extra):
    assert one(type="result", is_error=False, **extra).asked is False


def test_a_result_without_is_error_is_taken_for_an_error():
    assert one(type="result").is_error is True


def test_control_messages():
    message = {"method": "tools/list", "jsonrpc": "2.0", "id": 1}
    request = {"subtype": "mcp_message", "server_name": "hive", "message": message}
    asked = one(type="control_request", request_id="r", request=request)
    assert asked == ControlRequest("r", "mcp_message", "hive", message)
    assert one(type="control_cancel_request", request_id="r") == ControlCancelled("r")
    fine = {"subtype": "success", "request_id": "i", "response": {}}
    assert one(type="control_response", response=fine) == ControlResponse("i", None)
    model = {"inputTokens": 1, "outputTokens": 2, "cacheReadInputTokens": 3, "costUSD": 0.5}
    spent = {"session": {"model_usage": {"a": model, "b": model}}, "rate_limits": None}
    cost = {"subtype": "success", "request_id": "i", "response": spent}
    answer = parse_line(json.dumps({"type": "control_response", "response": cost}).encode())
    assert answer == (ControlResponse("i", None), Cost("i", Usage(2, 4, 6, 0, 1.0)))
    bad = {"subtype": "error", "request_id": "i", "error": "no", "response": spent}
    assert one(type="control_response", response=bad) == ControlResponse("i", "no")


def test_state_and_lifecycle():
    assert one(type="system", subtype="session_state_changed", state="idle") == Idle()
    running = one(type="system", subtype="session_state_changed", state="running")
    assert running == Other("system/session_state_changed")
    life = one(type="command_lifecycle", command_uuid="u", state="completed")
    assert life == Prompted("u", "completed")


def test_what_is_not_known_is_named():
    assert one(type="ui_invalidate") == Other("ui_invalidate")
    assert one(kind="nothing") == Other("")
    assert parse_line(b"Warning: x") == (Garbage("Warning: x"),)
