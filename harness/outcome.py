"""How a turn ended, from the typed lines of the stream only.

Text decides nothing unless the CLI itself wrote it: its synthetic error lines, `errors[]` of a
result, and stderr. What a model or a tool wrote never gets here. Order of the tests: no result,
`api_error`, `terminal_reason`, HTTP status, the synthetic line's `error`, subtype, text.
"""

import re
from collections.abc import Mapping

from attrs import frozen

from harness.stream import ApiFailure, RateLimit, Result
from hive.wire import Outcome

_DETAIL = 500


@frozen
class Ended:
    """The process is gone: `code` as Popen gives it (negative for a signal) and stderr's tail."""

    code: int | None
    stderr: str


@frozen
class Seen:
    """What one turn showed of its end."""

    result: Result | None = None
    failure: ApiFailure | None = None
    limit: RateLimit | None = None
    ended: Ended | None = None


@frozen
class Verdict:
    """An outcome, why in one line, and when a limit resets (epoch seconds) if it was said."""

    outcome: Outcome
    detail: str
    until: float | None = None


_BY_API_ERROR: Mapping[str, Outcome] = {
    "usage_limit_reached": Outcome.LIMITED,
    "connection_failed": Outcome.OVERLOADED,
    "org_disabled_credential": Outcome.UNAUTHORISED,
    "max_output_tokens": Outcome.FAILED,
}

_BY_TERMINAL_REASON: Mapping[str, Outcome] = {
    "prompt_too_long": Outcome.CONTEXT_FULL,
    "image_error": Outcome.CONTEXT_FULL,
    "blocking_limit": Outcome.CONTEXT_FULL,
    "rapid_refill_breaker": Outcome.CONTEXT_FULL,
    "aborted_streaming": Outcome.INTERRUPTED,
    "aborted_tools": Outcome.INTERRUPTED,
    "max_turns": Outcome.FAILED,
    "budget_exhausted": Outcome.FAILED,
}

_BY_STATUS: Mapping[int, Outcome] = {
    401: Outcome.UNAUTHORISED,
    403: Outcome.UNAUTHORISED,
    402: Outcome.BILLING,
    404: Outcome.FAILED,
    413: Outcome.CONTEXT_FULL,
    429: Outcome.LIMITED,
}

_BY_ERROR: Mapping[str, Outcome] = {
    "authentication_failed": Outcome.UNAUTHORISED,
    "oauth_org_not_allowed": Outcome.UNAUTHORISED,
    "account_on_hold": Outcome.UNAUTHORISED,
    "verification_required": Outcome.UNAUTHORISED,
    "cloud_credential_error": Outcome.UNAUTHORISED,
    "billing_error": Outcome.BILLING,
    "rate_limit": Outcome.LIMITED,
    "overloaded": Outcome.OVERLOADED,
    "server_error": Outcome.OVERLOADED,
    "model_not_found": Outcome.FAILED,
    "max_output_tokens": Outcome.FAILED,
}

_BY_TEXT: tuple[tuple[re.Pattern[str], Outcome], ...] = tuple(
    (re.compile(pattern), outcome)
    for pattern, outcome in (
        (r"^You've hit your .{1,40} limit", Outcome.LIMITED),
        (r"^API Error: Request rejected \(429\)", Outcome.LIMITED),
        (r"529 Overloaded|^API Error: 5\d\d ", Outcome.OVERLOADED),
        (r"Connection (dropped|refused)|ECONNRE|^Request timed out", Outcome.OVERLOADED),
        (r"Invalid API key|Not logged in|Failed to authenticate", Outcome.UNAUTHORISED),
        (r"disabled organization", Outcome.UNAUTHORISED),
        (r"Credit balance is too low", Outcome.BILLING),
        (r"^Prompt is too long|^Request too large", Outcome.CONTEXT_FULL),
    )
)

_ID_TAKEN = re.compile(r"Session ID \S+ is already in use")
_ID_UNKNOWN = re.compile(r"No conversation found with session ID")


def classify(seen: Seen) -> Verdict:
    """The outcome of a turn: pure and total."""
    if seen.result is None:
        return _without_result(seen)
    result = seen.result
    outcome = _typed(result, seen.failure)
    if outcome is Outcome.INTERRUPTED:
        return Verdict(outcome, _names(result, None))
    text = "; ".join(_own_texts(result, seen.failure))
    if outcome is None and (not result.is_error and _ended_well(result)):
        return Verdict(Outcome.COMPLETED, "")
    if outcome is None:
        outcome = _by_text(_own_texts(result, seen.failure))
    until = _reset(seen) if outcome is Outcome.LIMITED else None
    return Verdict(outcome, _line(text or _names(result, seen.failure)), until)


def session_is_taken(stderr: str) -> bool:
    """The CLI refused `--session-id`: the session exists, so resume it."""
    return _ID_TAKEN.search(stderr) is not None


def session_is_unknown(seen: Seen) -> bool:
    """The CLI refused `--resume`: the session does not exist, so begin a new one."""
    texts = seen.result.errors if seen.result else ()
    ended = (seen.ended.stderr,) if seen.ended else ()
    return any(_ID_UNKNOWN.search(text) for text in (*texts, *ended))


def _typed(result: Result, failure: ApiFailure | None) -> Outcome | None:
    """What the typed fields say, in the order in which they are reliable."""
    reason = result.terminal_reason or ""
    if not result.is_error:
        return Outcome.INTERRUPTED if reason.startswith("aborted_") else None
    failure = failure or ApiFailure(None, None, None, None, "")
    if found := _BY_API_ERROR.get(result.api_error or failure.api_error or ""):
        return found
    if found := _BY_TERMINAL_REASON.get(reason):
        return found
    status = result.status or failure.status or 0
    if found := _BY_STATUS.get(status):
        return found
    if status >= 500:
        return Outcome.OVERLOADED
    if found := _BY_ERROR.get(failure.error or ""):
        return found
    if result.subtype in ("error_max_turns", "error_max_budget_usd"):
        return Outcome.FAILED
    return Outcome.FAILED if result.stop_reason == "refusal" else None


def _ended_well(result: Result) -> bool:
    """A turn of the model that completed; a missing reason is tolerated, another one is not."""
    if result.terminal_reason is None:
        return result.subtype == "success" and result.turns > 0
    return result.terminal_reason == "completed"


def _by_text(texts: tuple[str, ...]) -> Outcome:
    for text in texts:
        for pattern, outcome in _BY_TEXT:
            if pattern.search(text):
                return outcome
    return Outcome.FAILED


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


def _without_result(seen: Seen) -> Verdict:
    if seen.ended is None:
        return Verdict(Outcome.FAILED, "the turn ended without a result")
    code, stderr = seen.ended.code, _line(seen.ended.stderr)
    if code is not None and (code < 0 or code > 128):
        number = -code if code < 0 else code - 128
        return Verdict(Outcome.FAILED, f"claude was killed by signal {number}")
    outcome = _by_text((seen.ended.stderr,))
    return Verdict(outcome, f"claude exited with {code} and no result: {stderr or 'no reason'}")


def _reset(seen: Seen) -> float | None:
    limit = seen.limit
    if limit is not None and limit.status == "rejected" and limit.resets_at is not None:
        return limit.resets_at
    return seen.failure.resets_at if seen.failure else None


def _line(text: str) -> str:
    return " ".join(text.split())[:_DETAIL]
