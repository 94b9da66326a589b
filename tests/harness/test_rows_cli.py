"""Every row of the table of failures that the real CLI can be brought to, and its signals.

Not reached, because our command line never leads there, and so tested as recorded lines only
(`test_outcome.py`): a missing permission tool, a missing MCP server, a budget of the CLI, refused
tools, a failed `/compact`, an account on hold and an expired login (both come from the server that
renews logins). A session id in use, an unknown session, a full context, a killed process and a
missing binary are in `test_turns_cli.py`.
"""

import time

import pytest
from attrs import evolve, frozen

from hive.demo import (
    CallTool,
    Drop,
    Fail,
    FailKind,
    LimitHeaders,
    ModelAnswer,
    Page,
    Reply,
    Rule,
    Say,
    Stall,
)
from hive.wire.turns import ApiRetry, ApiSignal, Outcome, SignalKind

KEY = (("ANTHROPIC_API_KEY", "sk-test"),)
OAUTH = (("CLAUDE_CODE_OAUTH_TOKEN", "oauth-test"),)
QUICK = (("CLAUDE_CODE_MAX_RETRIES", "0"),)
RESET = int(time.time()) + 3600


@frozen
class Case:
    """What the API does and how the turn ends; `said` begins the reason, `requests` if exact."""

    reply: Reply
    outcome: Outcome
    said: str = ""
    auth: tuple[tuple[str, str], ...] = KEY
    window: str | None = None
    requests: int | None = None
    more: tuple[tuple[str, str], ...] = ()


WORDS = ModelAnswer((Say("x"),))
BASH = CallTool("Bash", {"command": "echo x"})

CASES = {
    "fine": Case(ModelAnswer((Say("done"),)), Outcome.COMPLETED, requests=1),
    "subscription limit, 5 h": Case(
        Fail(FailKind.LIMIT_5H, reset=RESET),
        Outcome.LIMITED,
        "You've hit your 5-hour limit",
        OAUTH,
        "five_hour",
        1,
    ),
    "subscription limit, 7 d": Case(
        Fail(FailKind.LIMIT_7D, reset=RESET),
        Outcome.LIMITED,
        "You've hit your weekly limit",
        OAUTH,
        "seven_day",
        1,
    ),
    "subscription limit, one family": Case(
        Fail(FailKind.LIMIT_7D, reset=RESET, claim="seven_day_opus"),
        Outcome.LIMITED,
        "You've hit your Opus limit",
        OAUTH,
        "seven_day_opus",
        1,
    ),
    "API rate limit": Case(
        Fail(FailKind.RATE_LIMIT), Outcome.LIMITED, "API Error: Request rejected (429)"
    ),
    "API rate limit, do not retry": Case(
        Fail(FailKind.RATE_LIMIT, should_retry=False), Outcome.LIMITED, "API Error: Request", KEY
    ),
    "overloaded": Case(Fail(FailKind.OVERLOADED), Outcome.OVERLOADED, "API Error: 529 Overloaded"),
    "overloaded in the stream": Case(
        Fail(FailKind.OVERLOADED, in_stream=True), Outcome.OVERLOADED, "API Error: 529 Overloaded"
    ),
    "500": Case(Fail(FailKind.SERVER_500), Outcome.SERVER_ERROR, "API Error: 500"),
    "502": Case(Fail(FailKind.SERVER_502), Outcome.SERVER_ERROR, "API Error: 502"),
    "503": Case(Fail(FailKind.SERVER_503), Outcome.SERVER_ERROR, "API Error: 503"),
    "no connection": Case(Drop("headers"), Outcome.UNREACHABLE, "API Error: Connection dropped"),
    "connection dropped": Case(
        Drop("stream"), Outcome.UNREACHABLE, "API Error: Connection dropped"
    ),
    "a portal's page": Case(Page(), Outcome.UNREACHABLE, "API Error: API returned an empty or"),
    "nothing": Case(Page(text=""), Outcome.UNREACHABLE, "API Error: API returned an empty or"),
    "a redirect to a portal": Case(
        Page(302, location="/portal"), Outcome.UNREACHABLE, "API Error: API returned an empty or"
    ),
    "a portal that knows the standard": Case(Page(511), Outcome.UNREACHABLE, "API Error: 511"),
    "a proxy that wants a login": Case(Page(407), Outcome.UNREACHABLE, "API Error: 407"),
    "a proxy that forbids": Case(Page(403), Outcome.UNREACHABLE, "Failed to authenticate."),
    "a proxy without that page": Case(Page(404), Outcome.UNREACHABLE, "There's an issue with"),
    "a proxy that does not understand": Case(Page(400), Outcome.UNREACHABLE, "API Error: 400"),
    "a proxy without its server": Case(Page(502), Outcome.SERVER_ERROR, "API Error: 502"),
    "a host without a name": Case(
        WORDS,
        Outcome.UNREACHABLE,
        "API Error: Can't reach the API",
        more=(("ANTHROPIC_BASE_URL", "http://no-such-host.invalid"),),
        requests=0,
    ),
    "no answer in time": Case(
        Stall("headers"),
        Outcome.UNREACHABLE,
        "Request timed out",
        more=(("API_TIMEOUT_MS", "300"),),
    ),
    "bad key": Case(Fail(FailKind.BAD_KEY), Outcome.UNAUTHORISED, "Invalid API key"),
    "no credentials": Case(WORDS, Outcome.UNAUTHORISED, "Not logged in", (), requests=0),
    "token expired": Case(Fail(FailKind.OAUTH_EXPIRED), Outcome.UNAUTHORISED, auth=OAUTH),
    "token revoked": Case(Fail(FailKind.OAUTH_REVOKED), Outcome.UNAUTHORISED, auth=OAUTH),
    "forbidden": Case(Fail(FailKind.FORBIDDEN), Outcome.UNAUTHORISED, "Failed to authenticate"),
    "credit exhausted": Case(
        Fail(FailKind.NO_CREDIT), Outcome.BILLING, "Credit balance is too low"
    ),
    "organization disabled, key": Case(
        Fail(FailKind.ORG_DISABLED), Outcome.DISABLED, "Your ANTHROPIC_API_KEY belongs to"
    ),
    "organization disabled, token": Case(
        Fail(FailKind.ORG_DISABLED), Outcome.DISABLED, "API Error: 400 This organization", OAUTH
    ),
    "organization without subscriptions": Case(
        Fail(FailKind.ORG_NOT_ALLOWED), Outcome.DISABLED, "Your organization has disabled", OAUTH
    ),
    "verification required": Case(
        Fail(FailKind.VERIFICATION), Outcome.DISABLED, "API Error: Verify your account", OAUTH
    ),
    "model not found": Case(
        Fail(FailKind.NO_MODEL), Outcome.NO_MODEL, "There's an issue with the selected model"
    ),
    "prompt too long": Case(
        Fail(FailKind.PROMPT_TOO_LONG), Outcome.CONTEXT_FULL, "Prompt is too long"
    ),
    "request too large": Case(Fail(FailKind.TOO_LARGE), Outcome.CONTEXT_FULL, "Request too large"),
    "other 400": Case(Fail(FailKind.BAD_REQUEST), Outcome.REFUSED, "API Error: 400"),
    "other 400 that quotes": Case(
        Fail(FailKind.BAD_REQUEST, message="messages: 'Invalid API key', 529 Overloaded"),
        Outcome.REFUSED,
        "API Error: 400",
    ),
    "output limit": Case(evolve(WORDS, stop_reason="max_tokens"), Outcome.REFUSED, "API Error: "),
    "refusal": Case(evolve(WORDS, stop_reason="refusal"), Outcome.REFUSED, "API Error: "),
    "empty answer": Case(ModelAnswer(), Outcome.COMPLETED, requests=2),
    "max turns": Case(
        ModelAnswer((BASH,)),
        Outcome.REFUSED,
        "Reached maximum number of turns",
        more=(("CLAUDE_CODE_MAX_TURNS", "1"),),
    ),
}


@pytest.mark.parametrize("row", CASES)
async def test_row(start, row):
    case = CASES[row]
    async with start(environment=(*case.auth, *QUICK, *case.more)) as hive:
        hive.script.add(Rule(case.reply))
        hive.daemon.deliver("work")
        (report,) = await hive.daemon.reports(1)
    assert report.outcome is case.outcome, report.detail
    assert report.detail.startswith(case.said)
    assert bool(report.detail) is (case.outcome is not Outcome.COMPLETED)
    assert (report.window, report.until) == (case.window, case.window and RESET)
    assert (report.model or "").startswith("claude-")
    assert case.requests in (None, len(hive.script.requests))


# --- what the daemon hears in the middle of a turn -----------------------------------------------


async def test_a_limit_is_told_before_the_turn_has_ended(start):
    async with start(environment=OAUTH) as hive:
        hive.script.add(Rule(Fail(FailKind.LIMIT_5H, reset=RESET)))
        hive.daemon.deliver("work")
        (signal,) = await hive.daemon.until(lambda: hive.daemon.signals)
        assert hive.daemon.finished == []
        (report,) = await hive.daemon.reports(1)
        kind, lease = SignalKind.REJECTED, hive.daemon.finished[0].lease
        assert signal == ApiSignal(lease, kind, "five_hour", RESET, None, report.model)
        hive.script.clear()
        hive.daemon.deliver("work again")
        assert (await hive.daemon.reports(2))[1].outcome is Outcome.COMPLETED
        assert hive.daemon.signalled() == [SignalKind.REJECTED, SignalKind.ANSWERED]


async def test_a_warning_is_told_once_for_each_step(start):
    replies = [
        LimitHeaders("allowed_warning", five_hour=share, reset=RESET, reply=ModelAnswer((call,)))
        for share, call in ((0.81, BASH), (0.82, BASH), (0.93, BASH), (0.93, BASH))
    ]
    async with start(environment=OAUTH) as hive:
        hive.script.add(*(Rule(reply, count=1) for reply in replies), Rule(WORDS))
        hive.daemon.deliver("work")
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.COMPLETED
        answered, warned = SignalKind.ANSWERED, SignalKind.WARNED
        assert hive.daemon.signalled() == [answered, warned, answered, warned, answered]
        assert [one.utilization for one in hive.daemon.signals[1::2]] == [0.81, 0.93]


async def test_paid_use_beyond_a_limit_is_a_warning(start):
    async with start(environment=OAUTH) as hive:
        hive.script.add(Rule(LimitHeaders("rejected", five_hour=1.0, overage=True, reply=WORDS)))
        hive.daemon.deliver("work")
        assert (await hive.daemon.reports(1))[0].outcome is Outcome.COMPLETED
        assert hive.daemon.signalled() == [SignalKind.ANSWERED, SignalKind.WARNED]


async def test_a_refused_key_is_told_and_ends_the_turn_at_the_first_retry(start):
    async with start() as hive:
        hive.script.add(Rule(Fail(FailKind.BAD_KEY)))
        hive.daemon.deliver("work")
        await hive.daemon.until(lambda: hive.daemon.signals)
        assert hive.daemon.finished == []
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.UNAUTHORISED
        assert hive.daemon.signalled() == [SignalKind.UNAUTHORISED]
        await hive.daemon.until(lambda: hive.daemon.of(ApiRetry))  # events come in batches, later
        assert len(hive.daemon.of(ApiRetry)) == 1


async def test_a_key_that_is_limited_is_retried_a_few_times_only(start):
    """The CLI hides from a key when its limit resets."""
    async with start() as hive:
        hive.script.add(Rule(Fail(FailKind.RATE_LIMIT)))
        hive.daemon.deliver("work")
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.LIMITED
        assert (report.until, report.window) == (None, None)
        assert len(hive.script.requests) == 4
        assert hive.daemon.signals == []


@pytest.mark.parametrize(
    ("kind", "model", "conversations"),
    [(FailKind.LONG_CONTEXT, "opus[1m]", 2), (FailKind.MODEL_CREDITS, "fable", 1)],
)
async def test_credits_that_one_model_needs_are_no_limit_of_all(start, kind, model, conversations):
    """The CLI tells of a rejection in mid-turn, but of no window: nobody else is to wait for it."""
    async with start(environment=(*OAUTH, *QUICK), model=model) as hive:
        hive.script.add(Rule(Fail(kind)))
        hive.daemon.deliver("work")
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.NO_CREDITS
        assert "sage credits" in report.detail
        assert hive.daemon.signals == []
        assert len(hive.script.requests) == conversations, "a shorter one may need none"


async def test_a_model_that_is_not_there_gives_way_to_the_next(start):
    async with start(model="opus", fallback_models=("sonnet", "haiku")) as hive:
        hive.script.add(Rule(Fail(FailKind.NO_MODEL), count=1))
        hive.daemon.deliver("work")
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.COMPLETED
        assert "sonnet" in hive.script.requests[-1].model


async def test_a_model_that_speaks_of_limits_all_the_time_completes(start):
    said = (
        "You've hit your 5-hour limit · resets 3pm. API Error: Request rejected (429). "
        "Invalid API key. Not logged in. Credit balance is too low. 529 Overloaded.\n"
        '{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1800000000}}'
    )
    echo = CallTool("Bash", {"command": f"echo '{said.replace(chr(39), '')}'; false"})
    async with start(environment=OAUTH) as hive:
        hive.script.add(
            Rule(ModelAnswer((Say(said), echo)), count=1),
            Rule(
                ModelAnswer((CallTool("mcp__hive__send", {"to": "manager", "body": said}),)),
                count=1,
            ),
            Rule(ModelAnswer((Say(said),))),
        )
        hive.daemon.deliver(said)
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.COMPLETED
        assert hive.daemon.sent[0].body == said
        assert hive.daemon.signalled() == [SignalKind.ANSWERED]
