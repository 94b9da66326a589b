"""Limits, logins and money as they cross a process boundary: gates of credentials, and budgets."""

import operator
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from attrs import astuple, field, frozen

DEFAULT_CREDENTIAL = "default"

OWN_LOGIN = "own"
"""Instead of a credential's name: the agent uses the login in its own home."""

ALL_MODELS = "all"
"""The bucket of a limit that holds for every model."""


class Condition(StrEnum):
    """Whether an agent may work, as the operator reads it: a closed set."""

    ONLINE = "online"
    RATE_LIMITED = "rate_limited"
    NEEDS_LOGIN = "needs_login"
    OVER_BUDGET = "over_budget"
    OVERLOADED = "overloaded"
    UNREACHABLE = "unreachable"
    PARKED = "parked"


class GateState(StrEnum):
    """States of one bucket (all models, or a model family) of a credential."""

    OPEN = "open"
    WARNED = "warned"
    """Open, but the API warned that the limit is near."""
    CLOSED = "closed"
    PROBING = "probing"
    """The wait is over: one agent tries, the others wait for what it finds."""
    HELD = "held"
    """Closed by the operator."""


@frozen
class GateStatus:
    """One bucket of a credential; times in epoch seconds.

    `condition` says why agents wait (online: they do not), `source` who found it out and how,
    `tries` how often in a row it was closed, `probe` the agent that tries, `waiting` and `queued`
    the agents that wait for it and their messages.
    """

    credential: str
    bucket: str
    state: GateState
    condition: Condition
    since: float
    until: float | None = None
    reason: str | None = None
    source: str | None = None
    tries: int = 0
    probe: str | None = None
    waiting: int = 0
    queued: int = 0


@frozen
class Usage:
    """Tokens and money of one turn, sub-agents included; `+` and `-` go field by field."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float = 0.0

    @property
    def tokens(self) -> int:
        """All of them, cached ones included."""
        return (
            self.input_tokens
            + self.output_tokens
            + self.cache_read_tokens
            + self.cache_write_tokens
        )

    def __add__(self, other: "Usage") -> "Usage":
        return self.merged(other, operator.add)

    def __sub__(self, other: "Usage") -> "Usage":
        return self.merged(other, operator.sub)

    def merged(self, other: "Usage", how: Callable[[Any, Any], Any]) -> "Usage":
        """What `how` makes of each field of both, for example the larger by `max`."""
        return Usage(*map(how, astuple(self), astuple(other)))


class SignalKind(StrEnum):
    """What the API said about a credential in the middle of a turn."""

    ANSWERED = "answered"
    """It answered a request: the first time in a turn, and after a signal of another kind."""
    WARNED = "warned"
    REJECTED = "rejected"
    UNAUTHORISED = "unauthorised"


class Period(StrEnum):
    """What a budget is for: a day (UTC), or all the time since it was set up."""

    DAY = "day"
    TOTAL = "total"


class Unit(StrEnum):
    """What a budget counts: all tokens, cached ones included, or dollars."""

    TOKENS = "tokens"
    USD = "usd"

    def text(self, amount: float) -> str:
        """As people read it: `$5.02`, `$0.0004`, `2,000,000 tokens`."""
        if self is Unit.TOKENS:
            return f"{amount:,.0f} tokens"
        if amount == 0 or amount >= 0.1:
            return f"${amount:,.2f}"
        return f"${amount:.6f}".rstrip("0").rstrip(".")


@frozen
class BudgetStatus:
    """One budget; `scope` is an agent's name or "hive"; `until` (epoch seconds) begins it anew.

    Urgent messages may use `reserve` beyond `amount`.
    """

    scope: str
    period: Period
    unit: Unit
    amount: float
    reserve: float = 0.0
    spent: float = 0.0
    until: float | None = None


@frozen
class Spent:
    """What one agent has used since `since` (epoch seconds)."""

    agent: str
    since: float
    turns: int
    usage: Usage


# --- harness tells daemon ----------------------------------------------------------------------


@frozen
class ApiSignal:
    """Pushed in the middle of a turn, as soon as the CLI's stream shows it.

    `window` in the CLI's words (five_hour, seven_day_opus, …); `resets_at` in epoch seconds;
    `utilization` 0 to 1; `model` as the CLI named it.
    """

    lease: str
    kind: SignalKind
    window: str | None = None
    resets_at: float | None = None
    utilization: float | None = None
    model: str | None = None


@frozen
class Spending:
    """Pushed in the middle of a turn: all that it has used so far, as far as the CLI can tell."""

    lease: str
    usage: Usage


# --- operator asks daemon ----------------------------------------------------------------------


@frozen
class GetGates:
    """Every bucket of every credential in use; answered with `Gates`."""


@frozen
class Gates:
    gates: tuple[GateStatus, ...]


@frozen
class GateCommand:
    """The operator's hand on a credential: `action` is `hold`, `release` or `probe`.

    `bucket` None: all of its buckets; `until` (epoch seconds) ends a hold by itself.
    """

    credential: str
    action: str
    bucket: str | None = None
    reason: str | None = None
    until: float | None = None


@frozen
class SetCredential:
    """Keep this credential (exactly one of the two) under `name` and try the agents that use it."""

    name: str
    api_key: str | None = field(default=None, repr=False)
    oauth_token: str | None = field(default=None, repr=False)


@frozen
class GetLogin:
    """How to run the CLI in the own home of `agent`; answered with `LoginCommand`."""

    agent: str


@frozen
class LoginCommand:
    """`argv` wants the CLI's arguments after it; `environment` is all of it but TERM."""

    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]


@frozen
class UseCredential:
    """From now on `agent` uses `credential`: a name, or OWN_LOGIN."""

    agent: str
    credential: str


@frozen
class LoggedIn:
    """Somebody has logged `agent` in within its own home: from now on it uses that login."""

    agent: str


@frozen
class GetBudgets:
    """All budgets and what is spent of them; answered with `Budgets`."""


@frozen
class Budgets:
    """`spent` is what every agent has used today (UTC), by name."""

    budgets: tuple[BudgetStatus, ...]
    spent: tuple[Spent, ...] = ()


@frozen
class SetBudget:
    """Set a budget of `scope` (an agent's name or "hive"), or with `amount` None remove it."""

    scope: str
    period: Period
    unit: Unit
    amount: float | None
    reserve: float = 0.0
