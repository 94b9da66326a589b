"""Budgets: what was spent, and how much may be."""

from hive.budget import BudgetService
from hive.operator.handlers import Act, Table, act, read
from hive.wire.budgets import Budgets, GetBudgets, SetBudget


def table(budgets: BudgetService) -> Table:
    """What the operator may ask about budgets, and set."""

    async def statuses(_: GetBudgets) -> Budgets:
        return Budgets(budgets.statuses(), budgets.spent_today())

    return {GetBudgets: read(statuses), SetBudget: act(budgets.set, _set)}


def _set(one: SetBudget) -> Act:
    what = "none" if one.amount is None else one.unit.text(one.amount)
    reserve = one.unit.text(one.reserve)
    return Act("budget", one.scope, f"{what}, per {one.period.value}, reserve {reserve}")
