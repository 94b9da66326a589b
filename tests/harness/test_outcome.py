"""Outcomes: a test for each row of the table of failures."""

import pytest

from harness.cli.outcome import (
    ProcessEnd,
    TurnEvidence,
    classify,
    session_is_taken,
    session_is_unknown,
)
from harness.cli.stream_events import ApiFailure, RateLimit, Result
from hive.wire.turns import Outcome, Usage

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


def failure(
    error=None,
    api_error=None,
    status=None,
    resets_at=None,
    text="",
    window=None,
    kind="a_type_of_the_api",
) -> ApiFailure:
    return ApiFailure(error, api_error, status, resets_at, text, window, kind)


def portal(status, error="unknown", text="") -> ApiFailure:
    """The line about an answer that was none of the API."""
    return failure(error, status=status, text=text, kind=None)


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
    "repeatedly overloaded": (
        result(),
        failure("server_error", text="API Error: Repeated 529 Overloaded errors", kind=None),
        Outcome.OVERLOADED,
    ),
    "server 500": (result(status=500), None, Outcome.SERVER_ERROR),
    "server 503": (result(status=503), failure("server_error"), Outcome.SERVER_ERROR),
    "stalled": (result(api_error="stream_idle_timeout"), None, Outcome.SERVER_ERROR),
    "no connection": (result(api_error="connection_failed"), None, Outcome.UNREACHABLE),
    "no answer in time": (
        result(),
        failure("server_error", text="Request timed out after 120 s", kind=None),
        Outcome.UNREACHABLE,
    ),
    "a certificate of nobody": (
        result(api_error="tls_untrusted_ca"),
        failure(
            "server_error",
            "tls_untrusted_ca",
            text="API Error: Unable to connect to API: Self-signed certificate detected",
            kind=None,
        ),
        Outcome.UNREACHABLE,
    ),
    "a certificate of another host": (
        result(),
        failure(
            "server_error",
            text="API Error: Unable to connect to API: SSL certificate hostname mismatch",
            kind=None,
        ),
        Outcome.UNREACHABLE,
    ),
    "no words for why there is no answer": (
        result(),
        failure("server_error", text="API Error: words of tomorrow", kind=None),
        Outcome.UNREACHABLE,
    ),
    "a page in the API's place": (
        result(),
        portal(
            None,
            text="API Error: API returned an empty or malformed response (HTTP 200) — check for a "
            "proxy or gateway intercepting the request.",
        ),
        Outcome.UNREACHABLE,
    ),
    "a proxy wants a login": (result(status=407), portal(407), Outcome.UNREACHABLE),
    "a portal wants a login": (
        result(status=511),
        portal(511, "server_error"),
        Outcome.UNREACHABLE,
    ),
    "a proxy forbids": (
        result(status=403),
        portal(403, "authentication_failed", "Failed to authenticate. API Error: 403 Forbidden"),
        Outcome.UNREACHABLE,
    ),
    "a proxy knows no such page": (
        result(status=404),
        portal(404, "model_not_found", "There's an issue with the selected model (x)."),
        Outcome.UNREACHABLE,
    ),
    "a proxy does not understand": (result(status=400), portal(400), Outcome.UNREACHABLE),
    "a proxy finds it too large": (result(status=413), portal(413), Outcome.CONTEXT_FULL),
    "a proxy limits": (result(status=429), portal(429, "rate_limit"), Outcome.LIMITED),
    "a model that costs credits": (
        result(api_error="model_requires_usage_credits", status=429),
        failure("rate_limit", "model_requires_usage_credits"),
        Outcome.NO_CREDITS,
    ),
    "a context that costs credits": (
        result(api_error="long_context_credits_required", status=429),
        failure(
            "rate_limit",
            "long_context_credits_required",
            text="API Error: Usage credits required for 1M context · turn them on",
        ),
        Outcome.NO_CREDITS,
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
        Outcome.DISABLED,
    ),
    "organization without subscriptions": (
        result(status=403),
        failure("oauth_org_not_allowed"),
        Outcome.DISABLED,
    ),
    "account on hold": (result(), failure("account_on_hold"), Outcome.DISABLED),
    "verification": (result(status=403), failure("verification_required"), Outcome.DISABLED),
    "organization, told in prose": (
        result(status=400),
        failure("unknown", text="API Error: 400 This organization has been disabled."),
        Outcome.DISABLED,
    ),
    "login expired": (
        result(),
        failure("invalid_request", text="Login expired · Run /login to sign in again"),
        Outcome.UNAUTHORISED,
    ),
    "model": (result(status=404), failure("model_not_found"), Outcome.NO_MODEL),
    "model, by the line": (result(), failure("model_not_found"), Outcome.NO_MODEL),
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
    "other 400": (result(status=400), failure("invalid_request"), Outcome.REFUSED),
    "other 400 that quotes": (
        result(status=400),
        failure("unknown", text="API Error: 400 messages.1: 'Invalid API key', 529 Overloaded"),
        Outcome.REFUSED,
    ),
    "output limit": (result(api_error="max_output_tokens"), None, Outcome.REFUSED),
    "refusal": (result(stop_reason="refusal"), None, Outcome.REFUSED),
    "empty answer": (result(is_error=False, terminal_reason="completed"), None, Outcome.COMPLETED),
    "max turns": (
        result(subtype="error_max_turns", terminal_reason="max_turns"),
        None,
        Outcome.REFUSED,
    ),
    "budget": (
        result(subtype="error_max_budget_usd", terminal_reason="budget_exhausted"),
        None,
        Outcome.REFUSED,
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
    verdict = classify(TurnEvidence(end, line))
    assert verdict.outcome is outcome
    assert bool(verdict.detail) is (outcome is not Outcome.COMPLETED)


# Each sign is enough where the others are missing; what they mean is from the CLI's own schema.
SIGNS = {
    Outcome.LIMITED: {
        "api_error": ["usage_limit_reached"],
        "error": ["rate_limit"],
        "status": [429],
        "text": [
            "You've hit your weekly limit · resets 3pm",
            "API Error: Request rejected (429) · x",
        ],
    },
    Outcome.OVERLOADED: {
        "error": ["overloaded"],
        "status": [529],
        "text": [
            "API Error: 529 Overloaded. This is a server-side issue",
            "Repeated 529 Overloaded errors",
        ],
    },
    Outcome.SERVER_ERROR: {
        "api_error": ["stream_idle_timeout", "computer_slept"],
        "status": [500, 502, 503, 504, 522, 599],
        "text": ["API Error: 503 Service unavailable"],
    },
    Outcome.UNREACHABLE: {
        "api_error": [
            "connection_failed",
            "no_response",
            "tls_untrusted_ca",
            "tls_cert_signature_failure",
            "gateway_content_type",
            "network_edge_blocked",
        ],
        "error": ["server_error"],
        "status": [407, 511],
        "text": [
            "API Error: Connection dropped (ECONNRESET)",
            "Connection refused — a firewall or proxy may be blocking it",
            "API Error: Can't reach the API server — check your internet or DNS (ENOTFOUND)",
            "API Error: Unable to connect to API (Malformed_HTTP_Response)",
            "API Error: API returned an empty or malformed response (HTTP 200) — check",
            "Request timed out",
        ],
    },
    Outcome.UNAUTHORISED: {
        "api_error": [
            "invalid_credential_header",
            "gateway_session_expired",
            "stored_login_refused",
            "provider_credentials",
            "gateway_signin_required",
            "named_profile_unusable",
            "api_key_auth_disabled",
        ],
        "error": ["authentication_failed", "cloud_credential_error"],
        "status": [401, 403],
        "text": [
            "Invalid API key · Fix external API key",
            "Failed to authenticate: OAuth token revoked.",
            "Not logged in · Please run /login",
            "Login expired · Run /login to sign in again",
            "Anthropic profile login expired · Re-authenticate your Anthropic profile",
            "Authentication required · Sign in again to continue",
        ],
    },
    Outcome.BILLING: {
        "error": ["billing_error"],
        "status": [402],
        "text": ["Credit balance is too low"],
    },
    Outcome.NO_CREDITS: {
        "api_error": [
            "model_requires_usage_credits",
            "long_context_credits_required",
            "consent_unanswered",
            "no_allowed_fallback",
            "model_substitution_disabled",
        ],
        "text": ["API Error: Usage credits required for 1M context · turn them on"],
    },
    Outcome.DISABLED: {
        "api_error": ["org_disabled_credential"],
        "error": ["oauth_org_not_allowed", "account_on_hold", "verification_required"],
        "text": [
            "API Error: 400 This organization has been disabled.",
            "Your ANTHROPIC_API_KEY belongs to a disabled organization · Unset it",
        ],
    },
    Outcome.NO_MODEL: {
        "api_error": ["claude_code_version_too_old"],
        "error": ["model_not_found"],
        "status": [404],
        "text": [
            "There's an issue with the selected model (x). It may not exist",
            "Claude Opus is not available with the Claude Pro plan.",
        ],
    },
    Outcome.CONTEXT_FULL: {
        "api_error": ["message_over_context_limit", "autocompact_thrashing"],
        "terminal_reason": [
            "prompt_too_long",
            "image_error",
            "blocking_limit",
            "rapid_refill_breaker",
        ],
        "status": [413],
        "text": ["Prompt is too long", "Request too large (max 32MB)"],
    },
    Outcome.REFUSED: {
        "api_error": [
            "max_output_tokens",
            "dlp_request_denied",
            "safety_monitor_blocked",
            "hook_denied",
            "pdf_too_large",
            "pdf_password_protected",
            "media_removed",
            "empty_completion",
            "malformed_tool_use_exhausted",
        ],
        "status": [400, 418, 422],
        "text": ["API Error: 400 x"],
    },
    Outcome.FAILED: {
        "api_error": ["a cause of tomorrow", "effort_requires_thinking", "tool_history_mismatch"],
        "error": ["unknown", "invalid_request", "an error of tomorrow"],
        "text": ["a text of tomorrow", "x You've hit your weekly limit"],
    },
}


@pytest.mark.parametrize(
    ("outcome", "sign", "value"),
    [
        (outcome, sign, value)
        for outcome, signs in SIGNS.items()
        for sign, values in signs.items()
        for value in values
    ],
)
def test_one_sign_is_enough(outcome, sign, value):
    places = []
    if sign in ("api_error", "status", "terminal_reason"):
        places.append(TurnEvidence(result(**{sign: value})))
    if sign in ("api_error", "status", "error", "text"):
        places.append(TurnEvidence(result(), failure(**{sign: value})))
    assert {classify(seen).outcome for seen in places} == {outcome}


def test_the_reset_comes_from_the_event_or_from_the_line():
    end = result(api_error="usage_limit_reached")
    event = RateLimit("rejected", "five_hour", RESET)
    assert classify(TurnEvidence(end, None, event)).until == RESET
    assert classify(TurnEvidence(end, failure(resets_at=RESET + 1))).until == RESET + 1
    assert classify(TurnEvidence(end, failure(resets_at=RESET + 1), event)).until == RESET
    assert classify(TurnEvidence(end)).until is None


def test_which_limit_it_was_comes_from_the_event_or_from_the_line():
    end = result(api_error="usage_limit_reached")
    event = RateLimit("rejected", "five_hour", RESET)
    line = failure(window="seven_day_opus")
    assert classify(TurnEvidence(end, line, event)).window == "five_hour"
    assert classify(TurnEvidence(end, line)).window == "seven_day_opus"
    assert (
        classify(TurnEvidence(end, line, RateLimit("allowed", "five_hour", RESET))).window
        == line.window
    )
    assert classify(TurnEvidence(result(status=529), line, event)).window is None


def test_a_warning_is_no_limit():
    event = RateLimit("allowed_warning", "five_hour", RESET)
    fine = result(is_error=False, terminal_reason="completed")
    assert classify(TurnEvidence(fine, None, event)).outcome is Outcome.COMPLETED
    other = result(api_error="usage_limit_reached")
    assert classify(TurnEvidence(other, None, event)).until is None


def test_an_error_that_the_cli_recovered_from_does_not_count():
    fine = result(is_error=False, terminal_reason="completed")
    line = failure("overloaded", status=529, text="API Error: 529 Overloaded")
    assert classify(TurnEvidence(fine, line)).outcome is Outcome.COMPLETED


@pytest.mark.parametrize(
    ("ended", "outcome", "text"),
    [
        (ProcessEnd(143, ""), Outcome.FAILED, "signal 15"),
        (ProcessEnd(129, ""), Outcome.FAILED, "signal 1"),
        (ProcessEnd(-9, ""), Outcome.FAILED, "signal 9"),
        (ProcessEnd(137, ""), Outcome.FAILED, "signal 9"),
        (ProcessEnd(1, "error: unknown option '--x'\n"), Outcome.FAILED, "unknown option"),
        (ProcessEnd(1, "Invalid API key"), Outcome.FAILED, "Invalid API key"),
        (ProcessEnd(0, ""), Outcome.FAILED, "no result"),
        (None, Outcome.FAILED, "without a result"),
    ],
)
def test_without_a_result(ended, outcome, text):
    verdict = classify(TurnEvidence(ended=ended))
    assert verdict.outcome is outcome and text in verdict.detail


def test_what_the_cli_says_of_its_sessions():
    assert session_is_taken("Error: Session ID 00-11 is already in use.\n")
    assert not session_is_taken("Error: x")
    assert session_is_unknown(
        TurnEvidence(ended=ProcessEnd(1, "No conversation found with session ID: 1"))
    )
    assert session_is_unknown(
        TurnEvidence(result(errors=("No conversation found with session ID: 1",)))
    )
    assert not session_is_unknown(TurnEvidence(result()))


@pytest.mark.parametrize(
    ("end", "renew"),
    [
        (result(terminal_reason="prompt_too_long"), True),
        (result(api_error="long_context_credits_required"), True),
        (result(api_error="model_requires_usage_credits"), False),
        (result(status=529), False),
        (result(), False),
    ],
)
def test_what_a_new_conversation_may_cure(end, renew):
    assert classify(TurnEvidence(end)).renew is renew


def test_when_credits_are_there_again_is_told():
    end = result(api_error="model_requires_usage_credits")
    assert classify(TurnEvidence(end, failure(resets_at=RESET))).until == RESET
