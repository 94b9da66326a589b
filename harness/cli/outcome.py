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

from harness.cli.stream_events import ApiFailure, RateLimit, Result
from hive.text import flattened
from hive.wire.turns import Outcome

_DETAIL = 500


@frozen
class ProcessEnd:
    """How a process ended: its exit code as Popen gives it, and the tail of its stderr.

    The code is negative for a signal, None when the process could not be started.
    """

    code: int | None
    stderr: str


@frozen
class TurnEvidence:
    """The signs that one turn showed of its end; None for each that it did not show."""

    result: Result | None = None
    failure: ApiFailure | None = None
    limit: RateLimit | None = None
    ended: ProcessEnd | None = None


@frozen
class TurnVerdict:
    """How a turn ended, and why, in one line.

    `until` is when the limit resets that ended it (epoch seconds) and `window` which limit it was,
    None when the API did not say; `renew` says that a new conversation may go better.
    """

    outcome: Outcome
    detail: str
    until: float | None = None
    window: str | None = None
    renew: bool = False


@frozen
class FailureKind:
    """A kind of failure: the values by which it is known, field by field, and its outcome.

    `text` is a pattern for the beginning of the CLI's own text, used when nothing typed is known.
    `renew` says that a new conversation may go better.
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


FAILURE_KINDS: tuple[FailureKind, ...] = (
    # --- the account: closes all models, or the window's own ------------------------------------
    FailureKind(
        "subscription limit",
        Outcome.LIMITED,
        api_error=("usage_limit_reached",),
        text=r"You've hit your .{1,40} limit",
    ),
    FailureKind(
        "API rate limit",
        Outcome.LIMITED,
        error=("rate_limit",),
        status=(429,),
        text=r"API Error: Request rejected \(429\)",
    ),
    FailureKind(
        "overloaded",
        Outcome.OVERLOADED,
        error=("overloaded",),
        status=(529,),
        text=r"(API Error: )?(Repeated )?529 Overloaded",
    ),
    FailureKind(
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
    FailureKind(
        "bad key",
        Outcome.UNAUTHORISED,
        api_error=("invalid_credential_header", "gateway_session_expired", "stored_login_refused"),
        error=("authentication_failed", "cloud_credential_error"),
        status=(401,),
        text=r"Invalid API key|Failed to authenticate",
    ),
    FailureKind(
        "no credentials",  # more often authentication_failed, as above
        Outcome.UNAUTHORISED,
        api_error=("provider_credentials", "gateway_signin_required", "named_profile_unusable"),
        text=r"Not logged in|(Anthropic profile l|L)ogin expired|Authentication required",
    ),
    FailureKind(
        "forbidden", Outcome.UNAUTHORISED, api_error=("api_key_auth_disabled",), status=(403,)
    ),
    FailureKind(
        "credit exhausted",
        Outcome.BILLING,
        error=("billing_error",),
        status=(402,),
        text=r"Credit balance is too low",
    ),
    FailureKind(
        "organization disabled",
        Outcome.DISABLED,
        api_error=("org_disabled_credential",),
        error=("oauth_org_not_allowed",),
        text=r"API Error: 400 This organization has been disabled|Your \w+ belongs to a disabled",
    ),
    FailureKind(
        "account disabled", Outcome.DISABLED, error=("account_on_hold", "verification_required")
    ),
    # --- one model: closes that -----------------------------------------------------------------
    FailureKind(
        "model needs credits",
        Outcome.NO_CREDITS,
        api_error=(
            "model_requires_usage_credits",
            "consent_unanswered",
            "no_allowed_fallback",
            "model_substitution_disabled",
        ),
    ),
    FailureKind(
        "long context needs credits",
        Outcome.NO_CREDITS,
        api_error=("long_context_credits_required",),
        text=r"API Error: Usage credits required for",
        renew=True,
    ),
    FailureKind(
        "model not found",
        Outcome.NO_MODEL,
        api_error=("claude_code_version_too_old",),
        error=("model_not_found",),
        status=(404,),
        text=r"There's an issue with the selected model|Claude \w+ is not available with",
    ),
    # --- one request, as far as one agent can see -----------------------------------------------
    FailureKind(
        "server error",
        Outcome.SERVER_ERROR,
        api_error=("stream_idle_timeout", "computer_slept"),
        status=range(500, 1000),
        text=r"API Error: 5\d\d ",
    ),
    # --- the conversation -----------------------------------------------------------------------
    FailureKind(
        "prompt too long",
        Outcome.CONTEXT_FULL,
        api_error=("message_over_context_limit", "autocompact_thrashing"),
        reason=("prompt_too_long", "blocking_limit", "rapid_refill_breaker"),
        text=r"Prompt is too long",
        renew=True,
    ),
    FailureKind(
        "request too large",
        Outcome.CONTEXT_FULL,
        reason=("image_error",),
        status=(413,),
        text=r"Request too large",
        renew=True,
    ),
    # --- the turn -------------------------------------------------------------------------------
    FailureKind(
        "output limit",
        Outcome.REFUSED,
        api_error=("max_output_tokens",),
        error=("max_output_tokens",),
    ),
    FailureKind(
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
    FailureKind(
        "no words",
        Outcome.REFUSED,
        api_error=("empty_completion", "malformed_tool_use_exhausted"),
        reason=("malformed_tool_use_exhausted",),
    ),
    FailureKind("max turns", Outcome.REFUSED, reason=("max_turns",), subtype=("error_max_turns",)),
    FailureKind(
        "budget of the CLI",
        Outcome.REFUSED,
        reason=("budget_exhausted",),
        subtype=("error_max_budget_usd",),
    ),
    FailureKind("interrupted", Outcome.INTERRUPTED, reason=("aborted_streaming", "aborted_tools")),
)
"""What can go wrong; where two kinds have a value in common, the first counts.

What is no error for the CLI (fine, an empty answer, refused tools) is completed. What has no kind
failed, for a reason that is not known: so does what ends without a result (killed, a bad flag, a
session id in use), and kinds that a setting of one agent causes (effort_requires_thinking,
advisor_incompatible, field_not_granted, tool_history_mismatch, oauth_refresh_store_refused).
"""

_TYPED = 2
"""Columns that come before the question whether it was the API that answered."""

_NOT_REACHED = next(kind for kind in FAILURE_KINDS if kind.outcome is Outcome.UNREACHABLE)
_BAD_REQUEST = FailureKind("other 4xx", Outcome.REFUSED, text=r"API Error: 4\d\d ")

_SAME_FROM_A_PROXY = frozenset({413, 429})
"""Client errors that mean the same whoever gave them."""

_ID_TAKEN = re.compile(r"Session ID \S+ is already in use")
_ID_UNKNOWN = re.compile(r"No conversation found with session ID|Failed to resume session:")


def classify(evidence: TurnEvidence) -> TurnVerdict:
    """How a turn with these signs ended. Never raises: an end of no known kind is a failure."""
    if evidence.result is None:
        return _without_result(evidence)
    result, failure = evidence.result, evidence.failure
    if not result.is_error and _ended_well(result):
        return TurnVerdict(Outcome.COMPLETED, "")
    kind = _failure_kind(result, failure) if result.is_error or _was_aborted(result) else None
    outcome = kind.outcome if kind else Outcome.FAILED
    detail = "; ".join(_own_texts(result, failure)) if outcome is not Outcome.INTERRUPTED else ""
    has_end = outcome in (Outcome.LIMITED, Outcome.NO_CREDITS)
    until, window = _limit(evidence) if has_end else (None, None)
    renew = kind is not None and kind.renew
    return TurnVerdict(outcome, _line(detail or _names(result, failure)), until, window, renew)


def session_is_taken(stderr: str) -> bool:
    """Whether the CLI refused `--session-id`, because that session exists: it is to be resumed."""
    return _ID_TAKEN.search(stderr) is not None


def session_is_unknown(evidence: TurnEvidence) -> bool:
    """Whether the CLI refused `--resume`: it has no such session, or none that it can read."""
    texts = evidence.result.errors if evidence.result else ()
    ended = (evidence.ended.stderr,) if evidence.ended else ()
    return any(_ID_UNKNOWN.search(text) for text in (*texts, *ended))


def _failure_kind(result: Result, failure: ApiFailure | None) -> FailureKind | None:
    """The kind of an error, by the columns in the order in which they are reliable."""
    failure = failure or ApiFailure(None, None, None, None, "")
    columns: tuple[tuple[Callable[[FailureKind], Container[object]], object], ...] = (
        (lambda kind: kind.api_error, result.api_error or failure.api_error),
        (lambda kind: kind.reason, result.terminal_reason),  # so far `_TYPED`
        (lambda kind: kind.error, failure.error),
        (lambda kind: kind.status, result.status or failure.status),
        (lambda kind: kind.subtype, result.subtype),
        (lambda kind: kind.stop, result.stop_reason),
    )
    status = result.status or failure.status
    for place, (column, value) in enumerate(columns):
        if place == _TYPED and _is_from_a_proxy(failure):
            return _NOT_REACHED
        for kind in FAILURE_KINDS:
            if value in column(kind):
                return kind
    texts = _own_texts(result, failure)
    for kind in (*FAILURE_KINDS, _BAD_REQUEST):
        if _text_matches(kind, texts):
            return kind
    if status is None and failure.error == "server_error":
        return _NOT_REACHED  # the CLI's word for all that goes wrong before an answer
    return _BAD_REQUEST if status is not None and 400 <= status < 500 else None


def _is_from_a_proxy(failure: ApiFailure) -> bool:
    """Whether a proxy or a portal gave this refusal: the API names the type of its errors."""
    status = failure.status
    return (
        status is not None
        and 400 <= status < 500
        and status not in _SAME_FROM_A_PROXY
        and failure.type is None
    )


def _text_matches(kind: FailureKind, texts: tuple[str, ...]) -> bool:
    return kind.text is not None and any(re.match(kind.text, text) for text in texts)


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


def _without_result(evidence: TurnEvidence) -> TurnVerdict:
    if evidence.ended is None:
        return TurnVerdict(Outcome.FAILED, "the turn ended without a result")
    code, stderr = evidence.ended.code, _line(evidence.ended.stderr)
    if code is not None and (code < 0 or code > 128):
        number = -code if code < 0 else code - 128
        return TurnVerdict(Outcome.FAILED, f"claude was killed by signal {number}")
    why = stderr or "no reason"
    return TurnVerdict(Outcome.FAILED, f"claude exited with {code} and no result: {why}")


def _limit(evidence: TurnEvidence) -> tuple[float | None, str | None]:
    """When the limit resets, and which it is."""
    said, line = evidence.limit, evidence.failure
    rejected = said if said is not None and said.status == "rejected" else None
    until = (rejected and rejected.resets_at) or (line and line.resets_at)
    window = (rejected and rejected.window) or (line and line.window)
    return until or None, window or None


def _line(text: str) -> str:
    return flattened(text)[:_DETAIL]
