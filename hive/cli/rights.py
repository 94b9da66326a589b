"""`hive rights`: to whom an agent may send."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from hive.cli.ask import CommandFailed, ask
from hive.cli.options import AgentName, json_option, print_json, root_option
from hive.wire import GetStatus, SetRights, Status, check_recipients

F = TypeVar("F", bound=Callable[..., Any])


class Names(click.ParamType[tuple[str, ...]]):
    """Names of agents, separated by commas, * among them for broadcasts; empty: none."""

    name = "A,B"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return check_recipients(str(value).replace(",", " ").split())
        except ValueError as error:
            self.fail(str(error), param, ctx)


def may_send_option(command: F) -> F:
    """`--may-send A,B`."""
    return click.option(
        "--may-send",
        type=Names(),
        help="To whom it may send, besides the manager and the operator: names with commas "
        "between them; * for broadcasts; empty for nobody else.",
    )(command)


@click.command()
@click.argument("name", type=AgentName())
@may_send_option
@click.option("--all", "to_all", is_flag=True, help="It may send to all.")
@root_option
@json_option
def rights(
    name: str, may_send: tuple[str, ...] | None, to_all: bool, root: Path, as_json: bool
) -> None:
    """Show to whom the agent NAME may send, or change it."""
    if to_all and may_send is not None:
        raise click.UsageError("give either --may-send or --all")
    if to_all or may_send is not None:
        ask(root, SetRights(name, may_send))
    status = cast(Status, ask(root, GetStatus()))
    found = next((one for one in status.agents if one.name == name), None)
    if found is None:
        raise CommandFailed(f"there is no agent {name!r}: see hive agents")
    if as_json:
        print_json({"name": name, "may_send": found.may_send})
    elif found.may_send is None:
        click.echo(f"{name} may send to all")
    else:
        names = ", ".join(dict.fromkeys(("manager", "operator", *found.may_send)))
        click.echo(f"{name} may send to {names}")
