"""How a turn ended, from the typed lines of the stream only.

Text decides nothing unless the CLI itself wrote it (its synthetic error lines, `errors[]` of a
result), and even then only its beginning: a refused request may be quoted behind it. What a model
or a tool wrote never gets here. Order of the tests: no result, `api_error`,
`terminal_reason`, a refusal that is none of the API, the synthetic line's `error` (a 403 alone has
many reasons), HTTP status, subtype, stop reason, text.
"""

import re
from collections.abc import Callable, Container, Sequence

from attrs import frozen

from harness.cli.stream import ApiFailure, RateLimit, Result
from hive.text import flattened
from hive.wire.turns import Outcome

_DETAIL = 500


@frozen
class ProcessEnd:
    """The process is gone: `code` as Popen gives it (negative for a signal) and stderr's tail."""

    code: int | None
    stderr: str


@frozen
class TurnEvidence:
    """What one turn showed of its end; None for each sign that it did not show."""

    result: Result | None = None
    failure: ApiFailure | None = None
    limit: RateLimit | None = None
    ended: ProcessEnd | None = None


@frozen
class TurnVerdict:
    """An outcome and why in one line; which limit it was and when it resets (epoch seconds).

    `renew`: a new conversation may go better.
    """

    outcome: Outcome
    detail: str
    until: float | None = None
    window: str | None = None
    renew: bool = False


@frozen
class Row:
    """A class of failures: the values that tell it, column by column, and its outcome.

    `text` is how the CLI's own text begins, for when it says nothing typed. `renew`: a new
    conversation may cure it.
    """

    name: str
    outcome: Outcome
    api_error: tuple[str, ...] = ()
    reason: tuple[str, ...] = ()
    error: tuple[str, ...] = ()
    status: Sequence[int] = ()
    subtype: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    text: str | None = None
    renew: bool = False


ROWS: tuple[Row, ...] = (
    # --- the account: closes all models, or the window's own ------------------------------------
    Row(
        "subscription limit",
        Outcome.LIMITED,
        api_error=("usage_limit_reached",),
        text=r"You've hit your .{1,40} limit",
    ),
    Row(
        "API rate limit",
        Outcome.LIMITED,
        error=("rate_limit",),
        status=(429,),
        text=r"API Error: Request rejected \(429\)",
    ),
    Row(
        "overloaded",
        Outcome.OVERLOADED,
        error=("overloaded",),
        status=(529,),
        text=r"(API Error: )?(Repeated )?529 Overloaded",
    ),
    Row(
        "not reached",
        Outcome.UNREACHABLE,
        api_error=(
            "connection_failed",
            "no_response",
            "tls_untrusted_ca",
            "tls_cert_signature_failure",
            "gateway_content_type",
            "network_edge_blocked",
        ),
        status=(407, 511),
        text=r"(API Error: )?(Connection (dropped|refused)|Can't reach the API|Unable to connect"
        r"|API returned an empty or malformed response)|Request timed out",
    ),
    Row(
        "bad key",
        Outcome.UNAUTHORISED,
        api_error=("invalid_credential_header", "gateway_session_expired", "stored_login_refused"),
        error=("authentication_failed", "cloud_credential_error"),
        status=(401,),
        text=r"Invalid API key|Failed to authenticate",
    ),
    Row(
        "no credentials",  # more often authentication_failed, as above
        Outcome.UNAUTHORISED,
        api_error=("provider_credentials", "gateway_signin_required", "named_profile_unusable"),
        text=r"Not logged in|(Anthropic profile l|L)ogin expired|Authentication required",
    ),
    Row("forbidden", Outcome.UNAUTHORISED, api_error=("api_key_auth_disabled",), status=(403,)),
    Row(
        "credit exhausted",
        Outcome.BILLING,
        error=("billing_error",),
        status=(402,),
        text=r"Credit balance is too low",
    ),
    Row(
        "organization disabled",
        Outcome.DISABLED,
        api_error=("org_disabled_credential",),
        error=("oauth_org_not_allowed",),
        text=r"API Error: 400 This organization has been disabled|Your \w+ belongs to a disabled",
    ),
    Row("account disabled", Outcome.DISABLED, error=("account_on_hold", "verification_required")),
    # --- one model: closes that -----------------------------------------------------------------
    Row(
        "model needs credits",
        Outcome.NO_CREDITS,
        api_error=(
            "model_requires_usage_credits",
            "consent_unanswered",
            "no_allowed_fallback",
            "model_substitution_disabled",
        ),
    ),
    Row(
        "long context needs credits",
        Outcome.NO_CREDITS,
        api_error=("long_context_credits_required",),
        text=r"API Error: Usage credits required for",
        renew=True,
    ),
    Row(
        "model not found",
        Outcome.NO_MODEL,
        api_error=("claude_code_version_too_old",),
        error=("model_not_found",),
        status=(404,),
        text=r"There's an issue with the selected model|Claude \w+ is not available with",
    ),
    # --- one request, as far as one agent can see -----------------------------------------------
    Row(
        "server error",
        Outcome.SERVER_ERROR,
        api_error=("stream_idle_timeout", "computer_slept"),
        status=range(500, 1000),
        text=r"API Error: 5\d\d ",
    ),
    # --- the conversation -----------------------------------------------------------------------
    Row(
        "prompt too long",
        Outcome.CONTEXT_FULL,
        api_error=("message_over_context_limit", "autocompact_thrashing"),
        reason=("prompt_too_long", "blocking_limit", "rapid_refill_breaker"),
        text=r"Prompt is too long",
        renew=True,
    ),
    Row(
        "request too large",
        Outcome.CONTEXT_FULL,
        reason=("image_error",),
        status=(413,),
        text=r"Request too large",
        renew=True,
    ),
    # --- the turn -------------------------------------------------------------------------------
    Row(
        "output limit",
        Outcome.REFUSED,
        api_error=("max_output_tokens",),
        error=("max_output_tokens",),
    ),
    Row(
        "refused for what it holds",
        Outcome.REFUSED,
        api_error=(
            "dlp_request_denied",
            "safety_monitor_blocked",
            "hook_denied",
            "pdf_too_large",
            "pdf_password_protected",
            "media_removed",
        ),
        stop=("refusal",),
    ),
    Row(
        "no words",
        Outcome.REFUSED,
        api_error=("empty_completion", "malformed_tool_use_exhausted"),
        reason=("malformed_tool_use_exhausted",),
    ),
    Row("max turns", Outcome.REFUSED, reason=("max_turns",), subtype=("error_max_turns",)),
    Row(
        "budget of the CLI",
        Outcome.REFUSED,
        reason=("budget_exhausted",),
        subtype=("error_max_budget_usd",),
    ),
    Row("interrupted", Outcome.INTERRUPTED, reason=("aborted_streaming", "aborted_tools")),
)
"""What can go wrong; where two rows have a value in common, the first counts.

What is no error for the CLI (fine, an empty answer, refused tools) is completed. What has no row
failed, for a reason that is not known: so does what ends without a result (killed, a bad flag, a
session id in use), and kinds that a setting of one agent causes (effort_requires_thinking,
advisor_incompatible, field_not_granted, tool_history_mismatch, oauth_refresh_store_refused).
"""

_TYPED = 2
"""Columns that come before the question whether it was the API that answered."""

_NOT_REACHED = next(row for row in ROWS if row.outcome is Outcome.UNREACHABLE)
_BAD_REQUEST = Row("other 4xx", Outcome.REFUSED, text=r"API Error: 4\d\d ")

_SAID_OF_OTHERS = frozenset({413, 429})
"""Client errors that mean the same whoever gave them."""

_ID_TAKEN = re.compile(r"Session ID \S+ is already in use")
_ID_UNKNOWN = re.compile(r"No conversation found with session ID|Failed to resume session:")


def classify(seen: TurnEvidence) -> TurnVerdict:
    """How a turn with these signs ended. Never raises: what is not known has failed."""
    if seen.result is None:
        return _without_result(seen)
    result, failure = seen.result, seen.failure
    if not result.is_error and _ended_well(result):
        return TurnVerdict(Outcome.COMPLETED, "")
    row = _row(result, failure) if result.is_error or _was_aborted(result) else None
    outcome = row.outcome if row else Outcome.FAILED
    detail = "; ".join(_own_texts(result, failure)) if outcome is not Outcome.INTERRUPTED else ""
    has_end = outcome in (Outcome.LIMITED, Outcome.NO_CREDITS)
    until, window = _limit(seen) if has_end else (None, None)
    renew = row is not None and row.renew
    return TurnVerdict(outcome, _line(detail or _names(result, failure)), until, window, renew)


def session_is_taken(stderr: str) -> bool:
    """The CLI refused `--session-id`: the session exists, so resume it."""
    return _ID_TAKEN.search(stderr) is not None


def session_is_unknown(seen: TurnEvidence) -> bool:
    """The CLI refused `--resume`: no such session, or none that it can read; begin a new one."""
    texts = seen.result.errors if seen.result else ()
    ended = (seen.ended.stderr,) if seen.ended else ()
    return any(_ID_UNKNOWN.search(text) for text in (*texts, *ended))


def _row(result: Result, failure: ApiFailure | None) -> Row | None:
    """The row of an error, by the columns in the order in which they are reliable."""
    failure = failure or ApiFailure(None, None, None, None, "")
    columns: tuple[tuple[Callable[[Row], Container[object]], object], ...] = (
        (lambda row: row.api_error, result.api_error or failure.api_error),
        (lambda row: row.reason, result.terminal_reason),  # so far `_TYPED`
        (lambda row: row.error, failure.error),
        (lambda row: row.status, result.status or failure.status),
        (lambda row: row.subtype, result.subtype),
        (lambda row: row.stop, result.stop_reason),
    )
    status = result.status or failure.status
    for place, (column, value) in enumerate(columns):
        if place == _TYPED and _is_anothers(failure):
            return _NOT_REACHED
        for row in ROWS:
            if value in column(row):
                return row
    texts = _own_texts(result, failure)
    for row in (*ROWS, _BAD_REQUEST):
        if _begins(row, texts):
            return row
    if status is None and failure.error == "server_error":
        return _NOT_REACHED  # the CLI's word for all that goes wrong before an answer
    return _BAD_REQUEST if status is not None and 400 <= status < 500 else None


def _is_anothers(failure: ApiFailure) -> bool:
    """Whether a proxy or a portal gave this refusal: the API names the type of its errors."""
    status = failure.status
    return (
        status is not None
        and 400 <= status < 500
        and status not in _SAID_OF_OTHERS
        and failure.type is None
    )


def _begins(row: Row, texts: tuple[str, ...]) -> bool:
    return row.text is not None and any(re.match(row.text, text) for text in texts)


def _was_aborted(result: Result) -> bool:
    return (result.terminal_reason or "").startswith("aborted_")


def _ended_well(result: Result) -> bool:
    """A turn of the model that completed; a missing reason is tolerated, another one is not."""
    if result.terminal_reason is None:
        return result.subtype == "success" and result.turns > 0
    return result.terminal_reason == "completed"


def _own_texts(result: Result, failure: ApiFailure | None) -> tuple[str, ...]:
    """Texts that the CLI wrote about this failure; none for a result that is no error."""
    if not result.is_error:
        return ()
    return (failure.text, *result.errors) if failure else result.errors


def _names(result: Result, failure: ApiFailure | None) -> str:
    named = {
        "api_error": result.api_error,
        "terminal_reason": result.terminal_reason,
        "status": result.status,
        "error": failure.error if failure else None,
        "subtype": result.subtype,
        "stop_reason": result.stop_reason,
    }
    return ", ".join(f"{name} {value}" for name, value in named.items() if value is not None)


def _without_result(seen: TurnEvidence) -> TurnVerdict:
    if seen.ended is None:
        return TurnVerdict(Outcome.FAILED, "the turn ended without a result")
    code, stderr = seen.ended.code, _line(seen.ended.stderr)
    if code is not None and (code < 0 or code > 128):
        number = -code if code < 0 else code - 128
        return TurnVerdict(Outcome.FAILED, f"claude was killed by signal {number}")
    why = stderr or "no reason"
    return TurnVerdict(Outcome.FAILED, f"claude exited with {code} and no result: {why}")


def _limit(seen: TurnEvidence) -> tuple[float | None, str | None]:
    """When the limit resets, and which it is."""
    said, line = seen.limit, seen.failure
    rejected = said if said is not None and said.status == "rejected" else None
    until = (rejected and rejected.resets_at) or (line and line.resets_at)
    window = (rejected and rejected.window) or (line and line.window)
    return until or None, window or None


def _line(text: str) -> str:
    return flattened(text)[:_DETAIL]
