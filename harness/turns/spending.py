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
    """What came after `base`; never below nothing."""
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
    """Of this turn alone."""
    _base: Usage | None = field(default=None, init=False)

    @property
    def first_request(self) -> str:
        """Name of the question that is asked before the prompt: what the session cost till then."""
        return f"{self.prompt}/before"

    def next_request(self, now: float) -> str | None:
        """Name of the question to ask now, if one is."""
        if not self.changed or now - self.asked_at < EVERY_S:
            return None
        self.changed, self.asked_at = False, now
        return f"{self.prompt}/now"

    def take(self, request: str, session: Usage) -> Usage | None:
        """What all attempts have used by an answer of the CLI, if that is more than before."""
        if request == self.first_request:
            self._base = session
        elif request == f"{self.prompt}/now" and self._base is not None:
            spent = difference(self._base, session)
            if spent != self.spent:
                self.spent = spent
                return self.used_before + spent
        return None
