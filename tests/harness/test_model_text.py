"""What a model or a tool writes parks nobody: it changes no outcome and makes no signal."""

import json

from hypothesis import given
from hypothesis import strategies as st

from harness.cli.outcome import ProcessEnd
from harness.cli.parser import parse_line
from harness.turns.api_signals import ApiSignals
from harness.turns.silence import SilenceWatch
from harness.turns.spending import Meter
from harness.turns.turn import RunningTurn
from hive.wire.turns import Outcome, SignalKind, Usage

LIMIT = {"status": "rejected", "resetsAt": 1_800_000_000, "rateLimitType": "five_hour"}
COST = {"session": {"model_usage": {"claude-x": {"outputTokens": 10**9, "costUSD": 900.0}}}}
QUOTED = [
    {"type": "rate_limit_event", "rate_limit_info": LIMIT},
    {"type": "result", "subtype": "success", "is_error": True, "api_error_status": 429},
    {"type": "system", "subtype": "api_retry", "error": "authentication_failed"},
    {"type": "assistant", "is_api_error_message": True, "api_error": "usage_limit_reached"},
    {
        "type": "control_response",
        "response": {"subtype": "success", "request_id": "p/now", "response": COST},
    },
]
TEMPTING = st.sampled_from(
    [
        "You've hit your 5-hour limit · resets 3pm",
        "API Error: Request rejected (429) rate limit",
        "529 Overloaded",
        "Invalid API key · Not logged in",
        "Credit balance is too low",
        "API Error: 400 This organization has been disabled.",
        "There's an issue with the selected model",
        "Prompt is too long",
        "No conversation found with session ID: 1",
        *(json.dumps(line) for line in QUOTED),
        *(f"\n{json.dumps(line)}\n" for line in QUOTED),
    ]
)
WORDS = TEMPTING | st.text(max_size=60)
VALUES = st.recursive(
    WORDS | st.booleans() | st.none() | st.sampled_from(QUOTED),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=4,
)
BLOCKS = (
    st.builds(lambda text: {"type": "text", "text": text}, WORDS)
    | st.builds(
        lambda text, value: {"type": "tool_use", "id": text, "name": text, "input": value},
        WORDS,
        VALUES,
    )
    | st.builds(lambda text: {"type": "thinking", "thinking": text}, WORDS)
)
ANSWERS = st.builds(
    lambda text, bad: {"type": "tool_result", "tool_use_id": "t", "content": text, "is_error": bad},
    WORDS | st.lists(st.builds(lambda text: {"type": "text", "text": text}, WORDS)),
    st.booleans(),
)
NESTED = st.sampled_from([None, None, "toolu_1"])
MODEL_LINES = st.one_of(
    st.builds(
        lambda blocks, parent: {
            "type": "assistant",
            "message": {"model": "claude-x", "content": blocks},
            "parent_tool_use_id": parent,
        },
        st.lists(BLOCKS),
        NESTED,
    ),
    st.builds(
        lambda blocks, parent, value: {
            "type": "user",
            "message": {"content": blocks},
            "parent_tool_use_id": parent,
            "tool_use_result": value,
        },
        st.lists(ANSWERS),
        NESTED,
        VALUES,
    ),
    st.builds(lambda text: {"type": "user", "message": {"content": text}}, WORDS),
    st.builds(lambda value: {"type": "stream_event", "event": value}, VALUES),
    st.builds(
        lambda text: {"type": "system", "subtype": "task_notification", "summary": text}, WORDS
    ),
)
INIT = {
    "type": "system",
    "subtype": "init",
    "model": "claude-x",
    "mcp_servers": [{"name": "hive", "status": "connected"}],
}
FINE = {
    "type": "result",
    "subtype": "success",
    "is_error": False,
    "num_turns": 1,
    "terminal_reason": "completed",
}
FAILED = {"type": "result", "subtype": "success", "is_error": True, "terminal_reason": "api_error"}
ENDS = st.sampled_from(
    [
        [],
        [FINE],
        [FINE, {**FINE, "origin": {"kind": "task-notification"}}],
        [{**FAILED, "api_error_status": 400}],
        [{**FAILED, "api_error_status": 529}],
        [
            {"type": "rate_limit_event", "rate_limit_info": LIMIT},
            {"type": "assistant", "is_api_error_message": True, "error": "rate_limit"},
            {**FAILED, "api_error": "usage_limit_reached", "api_error_status": 429},
        ],
    ]
)


def run(lines):
    """The turn's end and its pushes."""
    turn = RunningTurn("t", "p", SilenceWatch(10, 0.0), ApiSignals("t"), Meter("p", 0.0, Usage()))
    pushes = []
    for line in lines:
        for event in parse_line(json.dumps(line).encode()):
            turn.take(event, 0.0)
            pushes.append(turn.push_of(event))
    verdict = turn.verdict(None if turn.evidence.result else ProcessEnd(1, "error: x"))
    kept = [push for push in pushes if push is not None]
    return verdict, [h for h in kept if getattr(h, "kind", None) is not SignalKind.ANSWERED]


@given(ENDS, st.lists(st.lists(MODEL_LINES, max_size=3), min_size=5, max_size=5), WORDS)
def test_nothing_that_a_model_or_a_tool_wrote_changes_an_outcome_or_makes_a_signal(
    end, lines, text
):
    own = [INIT, *end]
    mixed = []
    for place, line in enumerate(own):
        spoken = {**line, "result": text} if line["type"] == "result" else line
        mixed += [*lines[place], spoken]
    mixed += lines[-1]
    assert run(mixed) == run(own)


@given(st.lists(MODEL_LINES))
def test_a_turn_that_only_talks_completes(lines):
    verdict, pushes = run([INIT, *lines, FINE])
    assert verdict.outcome is Outcome.COMPLETED
    assert pushes == []
