"""What happens to a turn's messages after it: a pure decision from its typed outcome.

What the API refuses is nobody's fault: no attempt is counted, and when to go on is decided by the
gate of the credential or by a budget. A turn that failed by itself waits before its next try, so
that no condition can spin a loop.
"""

from attrs import frozen

from hive.wire import Outcome, TurnReport

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
MOST_REASON = 500

OLDEST_EVENT_S = 86_400.0
"""A harness that finds no daemon ends long before it has kept an event for so long."""


@frozen
class AgentPark:
    """Take no work until `until` (epoch seconds), or with None until somebody unparks the agent."""

    reason: str
    until: float | None


def park_in_force(
    operator: AgentPark | None, turn: AgentPark | None, now: float
) -> AgentPark | None:
    """Which of the two parks keeps the agent from work at `now`, or None.

    The operator's comes first. When it ends, that of the agent's failed turns is in force again, if
    it has not ended meanwhile.
    """
    for park in (operator, turn):
        if park is not None and (park.until is None or park.until > now):
            return park
    return None


@frozen
class Verdict:
    """What becomes of the lease, and of the agent.

    `ack` or return it; `count` an attempt; `limited`: returned by a limit, which is counted apart;
    `failures` is the new run of turns that failed.
    """

    ack: bool
    count: bool = False
    limited: bool = False
    park: AgentPark | None = None
    failures: int = 0


_FAILURES = {
    Outcome.FAILED: "turn failed",
    Outcome.CONTEXT_FULL: "context full even in a new session",
}


def after_turn(report: TurnReport, *, failures: int, now: float, jitter: float) -> Verdict:
    """Decide what follows a turn.

    `failures` is how many turns in a row failed before it, `now` epoch seconds, `jitter` a random
    number in [0, 1) that spreads the wake-ups of agents that stopped together.
    """
    if report.outcome is Outcome.COMPLETED:
        return Verdict(ack=True)
    if report.outcome is Outcome.INTERRUPTED:
        return Verdict(ack=False, failures=failures)
    name = _FAILURES.get(report.outcome)
    if name is None:
        return Verdict(ack=False, limited=True, failures=failures)
    wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(failures, 20)) * (1 + jitter / 4)
    reason = f"{name}: {report.detail}" if report.detail else name
    park = AgentPark(reason[:MOST_REASON], now + wait)
    return Verdict(ack=False, count=True, park=park, failures=failures + 1)


def event_time(said: float, now: float) -> float:
    """When an event of a container happened (epoch seconds), which came `now`.

    Its own stamp, unless that is nonsense: in the future, older than a harness keeps events, or no
    number. Then it counts as of now.
    """
    return said if now - OLDEST_EVENT_S <= said <= now else now
