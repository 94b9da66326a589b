"""What a running turn has spent so far, by the CLI's own count of its session. Pure.

`get_session_cost` is answered without a request to the API, in the middle of a turn too, with
sub-agents included; but as the CLI's text, rounded to about three digits. (`get_usage` has the
exact figures, but with a login in the home the CLI asks the account's server for each answer.)
"""

import re

from attrs import define, field

from hive.wire import Usage

EVERY_S = 1.0
"""The CLI is asked at most so often, and only when its stream has said something since."""

_NUMBER = r"(\d[\d,]{0,12}(?:\.\d{1,6})?)"
_COUNT = rf"{_NUMBER}([kmb]?)"
_COST = re.compile(rf"^\w+ cost: +\${_NUMBER}", re.MULTILINE)
_MODEL = re.compile(
    rf"\b{_COUNT} input, {_COUNT} output, {_COUNT} cache read, {_COUNT} cache write\b"
)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}


def read_cost(text: str) -> Usage | None:
    """The whole session's usage from the CLI's text; None if it is something else."""
    cost = _COST.search(text)
    if cost is None:
        return None
    models = [
        [round(_number(found[place]) * _UNITS[found[place + 1]]) for place in (0, 2, 4, 6)]
        for found in _MODEL.findall(text)
    ]
    fresh, output, read, written = map(sum, zip(*models, strict=True)) if models else (0, 0, 0, 0)
    return Usage(fresh, output, read, written, _number(cost[1]))


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def add(one: Usage, other: Usage) -> Usage:
    """Both together."""
    return Usage(
        one.input_tokens + other.input_tokens,
        one.output_tokens + other.output_tokens,
        one.cache_read_tokens + other.cache_read_tokens,
        one.cache_write_tokens + other.cache_write_tokens,
        one.cost_usd + other.cost_usd,
    )


def since(base: Usage, now: Usage) -> Usage:
    """What came after `base`; never below nothing."""
    return Usage(
        max(0, now.input_tokens - base.input_tokens),
        max(0, now.output_tokens - base.output_tokens),
        max(0, now.cache_read_tokens - base.cache_read_tokens),
        max(0, now.cache_write_tokens - base.cache_write_tokens),
        max(0.0, now.cost_usd - base.cost_usd),
    )


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
                return add(self.before, spent)
        return None
