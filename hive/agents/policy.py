"""What happens after a turn: a pure decision from its typed outcome.

Being limited is never a crash and never an attempt; every outcome but *completed* returns the
lease, and each waits before the next try, so that no condition of the API can spin a loop.
"""

from attrs import frozen

from hive.wire import Outcome, TurnReport

RESET_MARGIN_S = 5.0
"""Added to a reported reset time, because clocks differ."""

LONGEST_LIMIT_S = 8 * 86400.0
"""No known window is longer than seven days; a reset beyond this is not believed."""


@frozen
class Park:
    """Take no work until `until` (epoch seconds)."""

    reason: str
    until: float


@frozen
class Verdict:
    """`ack` or return the lease; `count` an attempt; `failures` is the new run of bad turns."""

    ack: bool
    count: bool = False
    park: Park | None = None
    failures: int = 0


@frozen
class _Wait:
    first_s: float
    cap_s: float
    count: bool
    reason: str


_WAITS = {
    Outcome.LIMITED: _Wait(60, 3600, False, "usage limit"),
    Outcome.OVERLOADED: _Wait(10, 600, False, "API overloaded or not reachable"),
    Outcome.UNAUTHORISED: _Wait(300, 3600, False, "needs login: the credential was refused"),
    Outcome.BILLING: _Wait(300, 3600, False, "billing: the account cannot be charged"),
    Outcome.CONTEXT_FULL: _Wait(2, 60, True, "context full even in a new session"),
    Outcome.FAILED: _Wait(1, 60, True, "turn failed"),
}


def after_turn(report: TurnReport, *, failures: int, now: float, jitter: float) -> Verdict:
    """Decide what follows a turn.

    `failures` is how many turns before it did not complete, `now` epoch seconds, `jitter` a random
    number in [0, 1) that spreads the wake-ups of agents that stopped together.
    """
    if report.outcome is Outcome.COMPLETED:
        return Verdict(ack=True)
    if report.outcome is Outcome.INTERRUPTED:
        return Verdict(ack=False, failures=failures)
    wait = _WAITS[report.outcome]
    delay = min(wait.cap_s, wait.first_s * 2 ** min(failures, 20)) * (1 + jitter / 4)
    until = now + delay
    if report.outcome is Outcome.LIMITED and report.until is not None:
        reset = min(max(report.until, now), now + LONGEST_LIMIT_S)
        until = reset + RESET_MARGIN_S * (1 + jitter)
    reason = f"{wait.reason}: {report.detail}" if report.detail else wait.reason
    return Verdict(
        ack=False, count=wait.count, park=Park(reason[:500], until), failures=failures + 1
    )
