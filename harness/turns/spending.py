"""What a running turn has spent so far, by the CLI's own count of its session. Pure.

`get_usage` is answered at any time without a request to the API, sub-agents included. (With a login
in the home the CLI would ask the account's server for each answer, but that counts as traffic that
is not essential, and we switch that off.)
"""

from attrs import define, field

from hive.wire.turns import Usage

EVERY_S = 1.0
"""The CLI is asked at most so often, and only when its stream has said something since."""


def difference(base: Usage, now: Usage) -> Usage:
    """What was used between `base` and `now`; no field is below zero."""
    return Usage().merged(now - base, max)


@define
class Meter:
    """What one turn has used; the names of its questions to the CLI begin with its `prompt`."""

    prompt: str
    """The uuid of the turn's user message."""
    asked_at: float
    """When the CLI was asked last; at first, when the turn began."""
    used_before: Usage
    """What earlier attempts at the same lease have used."""
    changed: bool = False
    """The stream has said something since the CLI was asked."""
    spent: Usage = field(factory=Usage, init=False)
    """What this turn alone has used, as far as is known."""
    _base: Usage | None = field(default=None, init=False)

    @property
    def first_request(self) -> str:
        """The request id of the question before the prompt: what had the session cost?"""
        return f"{self.prompt}/before"

    def next_request(self, now: float) -> str | None:
        """The request id of the question to ask now; None when it is not due."""
        if not self.changed or now - self.asked_at < EVERY_S:
            return None
        self.changed, self.asked_at = False, now
        return f"{self.prompt}/now"

    def take(self, request: str, session: Usage) -> Usage | None:
        """Take the CLI's answer to the question `request`: what the `session` has cost.

        Returns what all attempts at the lease have used; None when that is known already.
        """
        if request == self.first_request:
            self._base = session
        elif request == f"{self.prompt}/now" and self._base is not None:
            spent = difference(self._base, session)
            if spent != self.spent:
                self.spent = spent
                return self.used_before + spent
        return None
