"""Errors of the Messages API that the CLI tells apart."""

from enum import StrEnum

from attrs import evolve, frozen


class FailKind(StrEnum):
    """Every kind of error answer that the scripted API can give."""

    RATE_LIMIT = "rate_limit"
    LIMIT_5H = "limit_5h"
    LIMIT_7D = "limit_7d"
    OVERLOADED = "overloaded"
    SERVER_500 = "server_500"
    SERVER_502 = "server_502"
    SERVER_503 = "server_503"
    BAD_KEY = "bad_key"
    OAUTH_EXPIRED = "oauth_expired"
    OAUTH_REVOKED = "oauth_revoked"
    FORBIDDEN = "forbidden"
    ORG_NOT_ALLOWED = "org_not_allowed"
    VERIFICATION = "verification"
    ORG_DISABLED = "org_disabled"
    NO_CREDIT = "no_credit"
    LONG_CONTEXT = "long_context"
    MODEL_CREDITS = "model_credits"
    PROMPT_TOO_LONG = "prompt_too_long"
    MAX_TOKENS_CONTEXT = "max_tokens_context"
    BAD_REQUEST = "bad_request"
    TOO_LARGE = "too_large"
    NO_MODEL = "no_model"


@frozen
class ApiError:
    """Status, `error.type`, `error.message` and `error.details.error_code` of an error answer."""

    status: int
    type: str
    message: str
    code: str | None = None


_ERRORS = {
    FailKind.RATE_LIMIT: ApiError(
        429,
        "rate_limit_error",
        "This request would exceed your organization's rate limit of 50 requests per minute.",
    ),
    FailKind.LIMIT_5H: ApiError(
        429, "rate_limit_error", "This request would exceed your account's rate limit."
    ),
    FailKind.LIMIT_7D: ApiError(
        429, "rate_limit_error", "This request would exceed your account's rate limit."
    ),
    FailKind.OVERLOADED: ApiError(529, "overloaded_error", "Overloaded"),
    FailKind.SERVER_500: ApiError(500, "api_error", "Internal server error"),
    FailKind.SERVER_502: ApiError(502, "api_error", "Bad gateway"),
    FailKind.SERVER_503: ApiError(503, "api_error", "Service unavailable"),
    FailKind.BAD_KEY: ApiError(401, "authentication_error", "invalid x-api-key"),
    FailKind.OAUTH_EXPIRED: ApiError(
        401,
        "authentication_error",
        "OAuth token has expired. Please obtain a new token or refresh your existing token.",
    ),
    FailKind.OAUTH_REVOKED: ApiError(403, "permission_error", "OAuth token has been revoked."),
    FailKind.FORBIDDEN: ApiError(
        403,
        "permission_error",
        "Your API key does not have permission to use the specified resource.",
    ),
    FailKind.ORG_NOT_ALLOWED: ApiError(
        403,
        "permission_error",
        "OAuth authentication is currently not allowed for this organization.",
    ),
    FailKind.VERIFICATION: ApiError(
        403,
        "permission_error",
        "Verify your account to go on: https://claude.ai/verify",
        "verification_required",
    ),
    FailKind.ORG_DISABLED: ApiError(
        400, "invalid_request_error", "This organization has been disabled."
    ),
    FailKind.NO_CREDIT: ApiError(
        400,
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API.",
    ),
    FailKind.LONG_CONTEXT: ApiError(
        429, "rate_limit_error", "Usage credits are required for long context requests."
    ),
    FailKind.MODEL_CREDITS: ApiError(
        429, "rate_limit_error", "This model needs usage credits.", "credits_required"
    ),
    FailKind.PROMPT_TOO_LONG: ApiError(
        400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"
    ),
    FailKind.MAX_TOKENS_CONTEXT: ApiError(
        400,
        "invalid_request_error",
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, "
        "decrease input length or `max_tokens` and try again",
    ),
    FailKind.BAD_REQUEST: ApiError(400, "invalid_request_error", "messages: not acceptable"),
    FailKind.TOO_LARGE: ApiError(
        413, "request_too_large", "Request exceeds the maximum allowed number of bytes."
    ),
    FailKind.NO_MODEL: ApiError(404, "not_found_error", "model: {model}"),
}


def api_error(kind: FailKind, *, model: str, message: str | None = None) -> ApiError:
    """The API's error for `kind`, with `message` instead of its usual text if given."""
    usual = _ERRORS[kind]
    return evolve(usual, message=message or usual.message.format(model=model))
