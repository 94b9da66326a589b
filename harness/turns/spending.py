"""What a running turn has spent so far, by the CLI's own count of its session. Pure.

`get_usage` is answered at any time without a request to the API, sub-agents included. (With a login
in the home the CLI would ask the account's server for each answer, but that counts as traffic that
is not essential, and we switch that off.)
"""

from attrs import define, field

from hive.wire.turns import Usage

EVERY_S = 1.0
"""The CLI is asked at most so often, and only when its stream has said something since."""


def since(base: Usage, now: Usage) -> Usage:
    """What came after `base`; never below nothing."""
    return Usage().merged(now - base, max)


@define
class Meter:
    """Of one turn: `prompt` is its uuid, `asked_at` its beginning, `before` earlier attempts'."""

    prompt: str
    asked_at: float
    before: Usage
    news: bool = False
    """The stream has said something since the CLI was asked."""
    spent: Usage = field(factory=Usage, init=False)
    """Of this turn alone."""
    _base: Usage | None = field(default=None, init=False)

    @property
    def first(self) -> str:
        """Name of the question that is asked before the prompt: what the session cost till then."""
        return f"{self.prompt}/before"

    def due(self, now: float) -> str | None:
        """Name of the question to ask now, if one is."""
        if not self.news or now - self.asked_at < EVERY_S:
            return None
        self.news, self.asked_at = False, now
        return f"{self.prompt}/now"

    def take(self, request: str, session: Usage) -> Usage | None:
        """What all attempts have used by an answer of the CLI, if that is more than before."""
        if request == self.first:
            self._base = session
        elif request == f"{self.prompt}/now" and self._base is not None:
            spent = since(self._base, session)
            if spent != self.spent:
                self.spent = spent
                return self.before + spent
        return None
