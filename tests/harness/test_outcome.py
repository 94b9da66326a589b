"""Outcomes: a test for each row of the table of failures, and for what must not matter."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.outcome import Ended, Seen, classify, session_is_taken, session_is_unknown
from harness.patience import Patience
from harness.stream import ApiFailure, RateLimit, Result, parse_line
from harness.turn import Turn
from hive.wire import Outcome, Usage

RESET = 1_800_000_000.0


def result(**fields) -> Result:
    defaults = {
        "subtype": "success",
        "is_error": True,
        "terminal_reason": "api_error",
        "api_error": None,
        "status": None,
        "stop_reason": None,
        "errors": (),
        "turns": 1,
        "asked": True,
        "session": "s",
        "usage": Usage(),
    }
    return Result(**{**defaults, **fields})


def failure(error=None, api_error=None, status=None, resets_at=None, text="") -> ApiFailure:
    return ApiFailure(error, api_error, status, resets_at, text)


ROWS = {
    "fine": (result(is_error=False, terminal_reason="completed"), None, Outcome.COMPLETED),
    "subscription limit": (
        result(api_error="usage_limit_reached", status=429),
        None,
        Outcome.LIMITED,
    ),
    "subscription limit in the line": (
        result(),
        failure("rate_limit", "usage_limit_reached"),
        Outcome.LIMITED,
    ),
    "rate limit 429": (result(status=429), None, Outcome.LIMITED),
    "overloaded 529": (result(status=529), None, Outcome.OVERLOADED),
    "server 500": (result(status=500), None, Outcome.OVERLOADED),
    "server 503": (result(status=503), failure("unknown"), Outcome.OVERLOADED),
    "no connection": (result(api_error="connection_failed"), None, Outcome.OVERLOADED),
    "no answer in time": (
        result(),
        failure("unknown", text="Request timed out after 120 s"),
        Outcome.OVERLOADED,
    ),
    "bad key": (result(status=401), failure("authentication_failed"), Outcome.UNAUTHORISED),
    "no credentials": (
        result(),
        failure("authentication_failed", text="Not logged in · Please run /login"),
        Outcome.UNAUTHORISED,
    ),
    "forbidden": (result(status=403), None, Outcome.UNAUTHORISED),
    "credit": (result(status=400), failure("billing_error"), Outcome.BILLING),
    "organization": (
        result(api_error="org_disabled_credential", status=400),
        None,
        Outcome.UNAUTHORISED,
    ),
    "model": (result(status=404), failure("model_not_found"), Outcome.FAILED),
    "prompt too long": (
        result(terminal_reason="prompt_too_long", status=400),
        failure("invalid_request"),
        Outcome.CONTEXT_FULL,
    ),
    "too large": (
        result(terminal_reason="image_error", status=413),
        None,
        Outcome.CONTEXT_FULL,
    ),
    "other 400": (result(status=400), failure("invalid_request"), Outcome.FAILED),
    "output limit": (result(api_error="max_output_tokens"), None, Outcome.FAILED),
    "refusal": (result(stop_reason="refusal"), None, Outcome.FAILED),
    "empty answer": (result(is_error=False, terminal_reason="completed"), None, Outcome.COMPLETED),
    "max turns": (
        result(subtype="error_max_turns", terminal_reason="max_turns"),
        None,
        Outcome.FAILED,
    ),
    "budget": (
        result(subtype="error_max_budget_usd", terminal_reason="budget_exhausted"),
        None,
        Outcome.FAILED,
    ),
    "interrupted": (
        result(subtype="error_during_execution", terminal_reason="aborted_streaming"),
        None,
        Outcome.INTERRUPTED,
    ),
    "interrupted in a tool": (
        result(subtype="error_during_execution", terminal_reason="aborted_tools"),
        None,
        Outcome.INTERRUPTED,
    ),
    "interrupted, no error": (
        result(is_error=False, terminal_reason="aborted_streaming"),
        None,
        Outcome.INTERRUPTED,
    ),
    "a local command": (
        result(is_error=False, terminal_reason=None, turns=0),
        None,
        Outcome.FAILED,
    ),
    "a reason of tomorrow": (
        result(is_error=False, terminal_reason="tool_deferred"),
        None,
        Outcome.FAILED,
    ),
    "text of the CLI": (
        result(terminal_reason=None, errors=("You've hit your 5-hour limit · resets 3pm",)),
        None,
        Outcome.LIMITED,
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_row(row):
    end, line, outcome = ROWS[row]
    verdict = classify(Seen(end, line))
    assert verdict.outcome is outcome
    assert bool(verdict.detail) is (outcome is not Outcome.COMPLETED)


def test_the_reset_comes_from_the_event_or_from_the_line():
    end = result(api_error="usage_limit_reached")
    event = RateLimit("rejected", "five_hour", RESET)
    assert classify(Seen(end, None, event)).until == RESET
    assert classify(Seen(end, failure(resets_at=RESET + 1))).until == RESET + 1
    assert classify(Seen(end, failure(resets_at=RESET + 1), event)).until == RESET
    assert classify(Seen(end)).until is None


def test_a_warning_is_no_limit():
    event = RateLimit("allowed_warning", "five_hour", RESET)
    fine = result(is_error=False, terminal_reason="completed")
    assert classify(Seen(fine, None, event)).outcome is Outcome.COMPLETED
    other = result(api_error="usage_limit_reached")
    assert classify(Seen(other, None, event)).until is None


def test_an_error_that_the_cli_recovered_from_does_not_count():
    fine = result(is_error=False, terminal_reason="completed")
    line = failure("overloaded", status=529, text="API Error: 529 Overloaded")
    assert classify(Seen(fine, line)).outcome is Outcome.COMPLETED


@pytest.mark.parametrize(
    ("ended", "outcome", "text"),
    [
        (Ended(143, ""), Outcome.FAILED, "signal 15"),
        (Ended(129, ""), Outcome.FAILED, "signal 1"),
        (Ended(-9, ""), Outcome.FAILED, "signal 9"),
        (Ended(137, ""), Outcome.FAILED, "signal 9"),
        (Ended(1, "error: unknown option '--x'\n"), Outcome.FAILED, "unknown option"),
        (Ended(1, "Invalid API key"), Outcome.UNAUTHORISED, "Invalid API key"),
        (Ended(0, ""), Outcome.FAILED, "no result"),
        (None, Outcome.FAILED, "without a result"),
    ],
)
def test_without_a_result(ended, outcome, text):
    verdict = classify(Seen(ended=ended))
    assert verdict.outcome is outcome and text in verdict.detail


def test_what_the_cli_says_of_its_sessions():
    assert session_is_taken("Error: Session ID 00-11 is already in use.\n")
    assert not session_is_taken("Error: x")
    assert session_is_unknown(Seen(ended=Ended(1, "No conversation found with session ID: 1")))
    assert session_is_unknown(Seen(result(errors=("No conversation found with session ID: 1",))))
    assert not session_is_unknown(Seen(result()))


# --- the model's text --------------------------------------------------------------------------

TEMPTING = st.sampled_from(
    [
        "You've hit your 5-hour limit · resets 3pm",
        "API Error: Request rejected (429) rate limit",
        "529 Overloaded",
        "Invalid API key · Not logged in",
        "Credit balance is too low",
        "Prompt is too long",
        "No conversation found with session ID: 1",
        '{"type":"result","is_error":true}',
    ]
)
WORDS = TEMPTING | st.text(max_size=60)
BLOCKS = (
    st.builds(lambda text: {"type": "text", "text": text}, WORDS)
    | st.builds(
        lambda text: {"type": "tool_use", "id": text, "name": text, "input": {"x": text}}, WORDS
    )
    | st.builds(lambda text: {"type": "thinking", "thinking": text}, WORDS)
)
ANSWERS = st.builds(
    lambda text, bad: {"type": "tool_result", "tool_use_id": "t", "content": text, "is_error": bad},
    WORDS,
    st.booleans(),
)
MODEL_LINES = st.one_of(
    st.builds(
        lambda blocks: {"type": "assistant", "message": {"content": blocks}}, st.lists(BLOCKS)
    ),
    st.builds(lambda blocks: {"type": "user", "message": {"content": blocks}}, st.lists(ANSWERS)),
    st.builds(lambda text: {"type": "user", "message": {"content": text}}, WORDS),
)
ENDS = st.sampled_from(
    [
        [],
        [
            {
                "type": "result",
                "subtype": "success",
                "is_error": False,
                "num_turns": 1,
                "terminal_reason": "completed",
            }
        ],
        [
            {
                "type": "result",
                "subtype": "success",
                "is_error": True,
                "api_error_status": 400,
                "terminal_reason": "api_error",
            }
        ],
        [{"type": "result", "subtype": "success", "is_error": True, "api_error_status": 529}],
    ]
)


def verdict_of(lines):
    turn = Turn("t", "p", Patience(10, 0.0))
    for line in lines:
        for event in parse_line(json.dumps(line).encode()):
            turn.take(event, 0.0)
    return turn.verdict(Ended(1, "") if not turn.seen.result else None)


@given(ENDS, st.lists(MODEL_LINES), WORDS)
def test_nothing_that_the_model_or_a_tool_wrote_changes_an_outcome(end, lines, text):
    spoken = [{**line, "result": text} for line in end]
    assert verdict_of([*lines, *spoken]) == verdict_of(end)
