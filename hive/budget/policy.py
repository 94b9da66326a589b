"""Which budgets a turn counts against, and whether they let it go on: pure functions of values."""

from collections.abc import Iterable, Mapping

from attrs import frozen

from hive.budget.ledger import DAY_S, Ledger
from hive.gate import Hold
from hive.wire.bounds import MOST_AMOUNT
from hive.wire.budgets import BudgetStatus, Period, SetBudget, Unit
from hive.wire.states import Condition

HIVE = "hive"
"""The scope of a budget that all agents share; `check_name` reserves it."""

THRESHOLDS = (0.8, 1.0)
"""Shares that are announced: the first as a warning, at the last one work stops."""


@frozen
class Budget:
    """`earlier` is what its scope had used before: a total budget does not count it."""

    scope: str
    period: Period
    unit: Unit
    amount: float
    reserve: float = 0.0
    earlier: float = 0.0

    @property
    def key(self) -> tuple[str, Period, Unit]:
        """There is one budget of each scope, period and unit."""
        return self.scope, self.period, self.unit

    def touches(self, agent: str) -> bool:
        """Whether what this agent uses counts."""
        return self.scope in (HIVE, agent)

    @property
    def name(self) -> str:
        """`budget of manager for the day`, `total budget of the hive`."""
        whose = "the hive" if self.scope == HIVE else self.scope
        day = self.period is Period.DAY
        return f"budget of {whose} for the day" if day else f"total budget of {whose}"


Announced = Mapping[tuple[str, Period, Unit], tuple[int, float]]
"""For each budget the day (0: no day), and the highest threshold that was announced in it."""


def midnight(ledger: Ledger) -> float:
    """When the ledger's day ends, in epoch seconds."""
    return float((ledger.day + 1) * DAY_S)


def spent(budget: Budget, ledger: Ledger) -> float:
    """What counts against it so far, running turns included."""
    today = budget.period is Period.DAY
    agents = ledger.agents if budget.scope == HIVE else (budget.scope,)
    used = sum(ledger.amount(agent, budget.unit, today=today) for agent in agents)
    return max(0.0, used - budget.earlier)


def status(budget: Budget, ledger: Ledger) -> BudgetStatus:
    """A budget and what is spent of it, as the operator sees it."""
    return BudgetStatus(
        budget.scope,
        budget.period,
        budget.unit,
        budget.amount,
        budget.reserve,
        spent(budget, ledger),
        _until(budget, ledger),
    )


def hold(
    budgets: Iterable[Budget], ledger: Ledger, agent: str, *, urgent: bool = False
) -> Hold | None:
    """Why the agent must not start a turn and must end a running one; None: it may go on.

    Of several budgets that are used up it is the one that lasts longest. With `urgent` a budget is
    used up when its reserve is, too.
    """
    used_up = [b for b in budgets if b.touches(agent) and _used_up(b, ledger, urgent)]
    if not used_up:
        return None
    worst = max(used_up, key=lambda budget: budget.period is Period.TOTAL)
    text = worst.unit.text
    reason = f"{worst.name} is used up: {text(spent(worst, ledger))} of {text(worst.amount)}"
    if urgent and worst.reserve:
        reason += f" and a reserve of {text(worst.reserve)}"
    return Hold(Condition.OVER_BUDGET, reason, _until(worst, ledger))


def agents_over(budgets: Iterable[Budget], ledger: Ledger) -> frozenset[str]:
    """The agents whose running turn must be interrupted."""
    budgets = tuple(budgets)
    return frozenset(
        agent
        for agent, turn in ledger.running.items()
        if hold(budgets, ledger, agent, urgent=turn.urgent) is not None
    )


def why_not_urgent(budgets: Iterable[Budget], ledger: Ledger, agent: str) -> str | None:
    """Why a message to this agent must not be urgent and what to do, or None."""
    budgets = tuple(budgets)
    if not any(budget.touches(agent) and budget.reserve > 0 for budget in budgets):
        return (
            f"urgent is refused: no budget of {agent} or of the hive has a reserve; "
            "send it without urgent, or the operator sets one (hive budget set … --reserve R)"
        )
    if held := hold(budgets, ledger, agent, urgent=True):
        return (
            f"urgent is refused: the {held.reason}; send it without urgent and it waits, or the "
            "operator raises the budget or its reserve (hive budget set)"
        )
    return None


def crossed(
    budgets: Iterable[Budget], ledger: Ledger, announced: Announced
) -> tuple[tuple[tuple[Budget, float], ...], Announced]:
    """Which thresholds are to be announced now, lowest first, and what is announced then.

    Each once in a budget's period; again, after its amount was raised, when it is crossed again.
    """
    news: list[tuple[Budget, float]] = []
    after: dict[tuple[str, Period, Unit], tuple[int, float]] = {}
    for budget in budgets:
        period = ledger.day if budget.period is Period.DAY else 0
        old_period, old = announced.get(budget.key, (period, 0.0))
        share = spent(budget, ledger) / budget.amount
        reached = [threshold for threshold in THRESHOLDS if share >= threshold]
        news += [(budget, one) for one in reached if old_period != period or one > old]
        after[budget.key] = period, max(reached, default=0.0)
    return tuple(news), after


def check(order: SetBudget, names: Iterable[str], budgets: Iterable[Budget]) -> None:
    """Raise ValueError, with what is allowed, if this budget cannot be set or removed."""
    if order.amount is None:
        key = (order.scope, order.period, order.unit)
        if all(budget.key != key for budget in budgets):
            raise ValueError(
                f"{order.scope} has no budget in {order.unit.value} per {order.period.value}: "
                "`hive budget` shows all of them"
            )
        return
    known = sorted(names)
    if order.scope != HIVE and order.scope not in known:
        raise ValueError(
            f"there is no agent {order.scope!r}: a budget is for {HIVE!r}, which is all of them, "
            f"or for one of {', '.join(known) or 'them, and there are none yet'}"
        )
    if not 0 < order.amount <= MOST_AMOUNT:
        raise ValueError(
            f"an amount of {order.amount:g} is no budget: use more than 0, up to {MOST_AMOUNT:g}; "
            "to have no budget clear it, to stop an agent park it"
        )
    if not 0 <= order.reserve <= MOST_AMOUNT:
        raise ValueError(f"a reserve of {order.reserve:g} is none: use 0 up to {MOST_AMOUNT:g}")


def _used_up(budget: Budget, ledger: Ledger, urgent: bool) -> bool:
    cap = budget.amount + (budget.reserve if urgent else 0.0)
    return spent(budget, ledger) >= cap


def _until(budget: Budget, ledger: Ledger) -> float | None:
    return midnight(ledger) if budget.period is Period.DAY else None
