"""Budgets: what agents may use and have used, in tokens and dollars."""

from enum import StrEnum

from attrs import frozen

from hive.wire.turns import Usage


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
    """One budget, and what is spent of it; amounts in its `unit`.

    `scope` is an agent's name, or "hive" for all agents together. Urgent messages may use `reserve`
    beyond `amount`. At `until` (epoch seconds) it begins anew; None: never.
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
    """What one agent has used since `since` (epoch seconds), running turns included.

    `turns` counts those that ended.
    """

    agent: str
    since: float
    turns: int
    usage: Usage


@frozen
class GetBudgets:
    """All budgets and what is spent of them; answered with `Budgets`."""


@frozen
class Budgets:
    """All budgets; `spent` is what every agent has used today (UTC), ordered by name."""

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


@frozen
class BudgetReached:
    """A budget is used up to `share` (0.8: a warning; 1.0: work on it stops)."""

    budget: BudgetStatus
    share: float


OperatorReads = GetBudgets
OperatorActs = SetBudget
FromDaemon = Budgets
EventKinds = BudgetReached
