"""What happens to a turn's messages after it: a pure decision from its typed outcome.

What the API refuses is nobody's fault: no attempt is counted, and when to go on is decided by the
gate of the credential or by a budget. A turn that failed by itself waits before its next try, so
that no condition can spin a loop; one that failed for an unknown reason waits so long that an
outage nobody has told apart yet does not use up a message's attempts.
"""

from attrs import frozen

from hive.directory import AgentPark
from hive.supervisors import Backoff
from hive.wire.turns import Outcome, TurnReport

LONGEST_WAIT_S = 60.0
KNOWN_BACKOFF = Backoff(initial=1.0, min=2.0, max=LONGEST_WAIT_S, jitter=0.0)
UNKNOWN_WAITS_S = (5.0, 120.0, 1800.0, 3600.0)
"""By the number of failures before; five attempts are an hour and a half apart at least."""
MOST_JITTER = 0.25
MOST_REASON = 500

OLDEST_EVENT_S = 86_400.0
"""A harness that finds no daemon ends long before it has kept an event for so long."""


@frozen
class TurnConsequences:
    """What becomes of the lease, and of the agent, after a turn.

    `ack`: the lease is acknowledged, otherwise returned; `count`: that was one of its attempts;
    `limited`: it was returned by a limit, which is counted apart. `park`: the agent waits;
    `failures`: how many of its turns have failed in a row, this one included.
    """

    ack: bool
    count: bool = False
    limited: bool = False
    park: AgentPark | None = None
    failures: int = 0


_OUTAGES = (Outcome.OVERLOADED, Outcome.UNREACHABLE)

_KNOWN_FAILURES = {
    Outcome.REFUSED: "turn refused",
    Outcome.CONTEXT_FULL: "context full even in a new session",
}
"""The turn is to blame, and waiting changes little."""

_FAILURES = {
    **_KNOWN_FAILURES,
    Outcome.FAILED: "turn failed",
    Outcome.SERVER_ERROR: "the API's server failed at this turn",
}


def after_turn(
    report: TurnReport, *, failures: int, now: float, jitter: float, held: bool = False
) -> TurnConsequences:
    """Decide what follows a turn.

    `failures` is how many turns in a row failed before it, `now` epoch seconds, `jitter` a random
    number in [0, 1) that spreads the wake-ups of agents that stopped together. `held`: a gate or a
    budget keeps the agent from going on, which then is no failure of its own.
    """
    outcome = report.outcome
    if outcome is Outcome.COMPLETED:
        return TurnConsequences(ack=True)
    if outcome is Outcome.INTERRUPTED:
        return TurnConsequences(ack=False, failures=failures)
    if outcome in _OUTAGES or (outcome is Outcome.SERVER_ERROR and held):
        # A turn that never got an answer has done nothing: that does not count at all.
        return TurnConsequences(ack=False, limited=report.usage.tokens > 0, failures=failures)
    name = _FAILURES.get(outcome)
    if name is None:
        return TurnConsequences(ack=False, limited=True, failures=failures)
    reason = f"{name}: {report.detail}" if report.detail else name
    park = AgentPark(
        reason[:MOST_REASON], now + _wait(outcome, failures) * (1 + jitter * MOST_JITTER)
    )
    return TurnConsequences(ack=False, count=True, park=park, failures=failures + 1)


def _wait(outcome: Outcome, failures: int) -> float:
    if outcome in _KNOWN_FAILURES:
        return KNOWN_BACKOFF.delay(failures + 1, 0.0)
    return UNKNOWN_WAITS_S[min(failures, len(UNKNOWN_WAITS_S) - 1)]


def event_time(said: float, now: float) -> float:
    """Return when an event of a container happened (epoch seconds), which came `now`.

    Its own stamp, unless that is nonsense: in the future, older than a harness keeps events, or no
    number. Then it counts as of now.
    """
    return said if now - OLDEST_EVENT_S <= said <= now else now
