"""Budgets: what agents may use, what they have used; set and clear."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import click
from click.core import ParameterSource

from hive.cli.ask import ask
from hive.cli.format import clock, table
from hive.cli.options import json_option, print_json, root_option
from hive.wire.budgets import (
    BudgetReached,
    Budgets,
    BudgetStatus,
    GetBudgets,
    Period,
    SetBudget,
    Spent,
    Unit,
)
from hive.wire.codec import jsonable

_THOUSANDS = {"": 1, "k": 1e3, "m": 1e6}


class Amount(click.ParamType[float]):
    """A number of tokens or dollars: `500k`, `2M`, `12.50`, `$5`."""

    name = "AMOUNT"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        match = re.fullmatch(r"\$?(\d{1,15}(?:\.\d{1,9})?)([kKmM]?)", str(value), re.ASCII)
        if match is None:
            self.fail(f"{value!r} is no amount: write 500k, 2M or 12.50", param, ctx)
        return float(match[1]) * _THOUSANDS[match[2].lower()]


AMOUNT = Amount()
per_option = click.option(
    "--per",
    type=click.Choice([period.value for period in Period]),
    required=True,
    help="A day (UTC), or all the time from when it is set.",
)


@click.group(invoke_without_command=True)
@root_option
@json_option
@click.pass_context
def budget(ctx: click.Context, root: Path, as_json: bool) -> None:
    """Show budgets and what agents have used today; set and clear budgets."""
    if ctx.invoked_subcommand is not None:
        given = ctx.get_parameter_source("root") is ParameterSource.COMMANDLINE
        if given or as_json:
            raise click.UsageError(f"options go behind {ctx.invoked_subcommand!r}")
        return
    budgets = cast(Budgets, ask(root, GetBudgets()))
    if as_json:
        print_json(jsonable(budgets))
    else:
        click.echo(f"{_budgets(budgets.budgets)}\n\n{_spent(budgets.spent)}")


@budget.command("set")
@click.argument("scope")
@per_option
@click.option("--tokens", type=AMOUNT, help="All tokens, cached ones too: 500k, 2M.")
@click.option("--usd", type=AMOUNT, help="Dollars: 12.50.")
@click.option(
    "--reserve", type=AMOUNT, default="0", show_default=True, help="More of it for urgent messages."
)
@root_option
def set_(
    scope: str, per: str, tokens: float | None, usd: float | None, reserve: float, root: Path
) -> None:
    """Set a budget of SCOPE: an agent's NAME, or `hive` for all agents together."""
    unit = _unit(tokens is not None, usd is not None)
    amount = usd if tokens is None else tokens
    assert amount is not None
    ask(root, SetBudget(scope, Period(per), unit, amount, reserve))
    beyond = f", and {unit.text(reserve)} more for urgent messages" if reserve else ""
    click.echo(f"{scope} may use {unit.text(amount)} {_per(Period(per))}{beyond}")


@budget.command("clear")
@click.argument("scope")
@per_option
@click.option("--tokens", is_flag=True, help="The budget in tokens.")
@click.option("--usd", is_flag=True, help="The budget in dollars.")
@root_option
def clear(scope: str, per: str, tokens: bool, usd: bool, root: Path) -> None:
    """Remove a budget of SCOPE."""
    unit = _unit(tokens, usd)
    ask(root, SetBudget(scope, Period(per), unit, None))
    click.echo(f"{scope} has no budget in {unit.value} {_per(Period(per))} any more")


def _unit(tokens: bool, usd: bool) -> Unit:
    if tokens == usd:
        raise click.UsageError("give one of --tokens and --usd; each is a budget of its own")
    return Unit.TOKENS if tokens else Unit.USD


def _per(period: Period) -> str:
    return "per day" if period is Period.DAY else "in total"


def _budgets(budgets: Sequence[BudgetStatus]) -> str:
    if not budgets:
        return "no budgets: set one, e.g. `hive budget set hive --per day --usd 20`"
    return table(
        ("BUDGET", "PER", "SPENT", "OF", "USED", "RESERVE", "ANEW"),
        [
            (
                one.scope,
                one.period.value,
                one.unit.text(one.spent),
                one.unit.text(one.amount),
                _share(one.spent / one.amount),
                one.unit.text(one.reserve) if one.reserve else "-",
                "-" if one.until is None else clock(one.until),
            )
            for one in budgets
        ],
    )


def _share(share: float) -> str:
    """In per cent; 100 only when it is used up."""
    percent = round(100 * share)
    return f"{min(percent, 99) if share < 1 else percent}%"


def _spent(spent: Sequence[Spent]) -> str:
    if not spent:
        return "nobody has used anything today (UTC)"
    return table(
        ("TODAY (UTC)", "TURNS", "TOKENS", "DOLLARS"),
        [
            (
                one.agent,
                str(one.turns),
                f"{one.usage.tokens:,}",
                Unit.USD.text(one.usage.cost_usd),
            )
            for one in spent
        ],
    )


def budget_reached(reached: BudgetReached) -> str:
    """Write the event as `budget of manager for the day is used to 80%: $4.00 of $5.00`."""
    budget = reached.budget
    period = "for the day" if budget.period is Period.DAY else "in total"
    amounts = " of ".join(_amount(each, budget.unit) for each in (budget.spent, budget.amount))
    return f"budget of {budget.scope} {period} is used to {reached.share:.0%}: {amounts}"


def _amount(value: float, unit: Unit) -> str:
    return f"${value:,.2f}" if unit is Unit.USD else f"{value:,.0f} tokens"


COMMANDS = (budget,)
