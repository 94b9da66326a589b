"""Agents: listed, made, started, stopped, destroyed, and to whom they may send."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from hive.cli.ask import ask
from hive.cli.errors import CommandFailed
from hive.cli.format import ago, cell, safe, table, why
from hive.cli.options import AGENT, STOP_S, json_option, print_json, root_option
from hive.wire.agents import AgentCommand, AgentStatus, SetRights, Spawn
from hive.wire.codec import jsonable
from hive.wire.daemon import GetStatus, Status
from hive.wire.logins import DEFAULT_CREDENTIAL, OWN_LOGIN
from hive.wire.names import check_recipients
from hive.wire.states import AgentState, Condition

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
    """Give a command the option `--may-send A,B`; None when it is left out."""
    return click.option(
        "--may-send",
        type=Names(),
        help="To whom it may send, besides the manager and the operator: names with commas "
        "between them; * for broadcasts; empty for nobody else.",
    )(command)


@click.command()
@root_option
@json_option
def agents(root: Path, as_json: bool) -> None:
    """List the agents, one line each."""
    whole = cast(Status, ask(root, GetStatus()))
    if as_json:
        print_json([jsonable(one) for one in whole.agents])
    else:
        click.echo(agents_table(whole.agents))


@click.command()
@click.argument("name", type=AGENT)
@click.option("--driver", help="How its container is made: bubblewrap or process.")
@click.option("--model", help="The model it uses; default: [claude] model in hive.toml.")
@click.option(
    "--credential",
    default=DEFAULT_CREDENTIAL,
    show_default=True,
    help=f"The credential it uses; {OWN_LOGIN}: a login of its own, see hive login NAME.",
)
@may_send_option
@root_option
def spawn(
    name: str,
    driver: str | None,
    model: str | None,
    credential: str,
    may_send: tuple[str, ...] | None,
    root: Path,
) -> None:
    """Create the agent NAME and start it."""
    ask(root, Spawn(name, driver, model, credential, may_send), timeout=STOP_S)
    click.echo(f"{name} runs")


def _agent_command(action: str, past: str, text: str) -> click.Command:
    @click.command(action, help=text)
    @click.argument("name", type=AGENT)
    @root_option
    def command(name: str, root: Path) -> None:
        ask(root, AgentCommand(name, action), timeout=STOP_S)
        click.echo(f"{name} {past}")

    return command


@click.command()
@click.argument("name", type=AGENT)
@click.option("--yes", is_flag=True, help="Do not ask.")
@root_option
def destroy(name: str, yes: bool, root: Path) -> None:
    """End NAME for good: what it had not done goes back to its senders, its folder stays aside."""
    if not yes:
        click.confirm(f"Destroy {name}? Nobody can reach it any more", abort=True)
    ask(root, AgentCommand(name, "destroy"), timeout=STOP_S)
    click.echo(f"{name} is destroyed; its folder is kept in {root / 'destroyed'}")


@click.command()
@click.argument("name", type=AGENT)
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


def agents_table(statuses: Sequence[AgentStatus]) -> str:
    """Write a table of agents: the state, or why one may not work, until when, and what waits."""
    if not statuses:
        return "no agents yet: create one with `hive spawn NAME`"
    now = time.time()
    return table(
        (
            *("NAME", "STATE", "SINCE", "QUEUED", "LEASED", "HELD", "RESTARTS", "TICK", "MODEL"),
            *("WHY", "SAYS"),
        ),
        [
            (
                one.name,
                _state(one),
                ago(now - one.since),
                str(one.queued),
                str(one.leased),
                str(one.held),
                str(one.restarts),
                ago(one.last_tick_age_s),
                safe(one.model or "-"),
                _why(one),
                cell(one.says, 120),
            )
            for one in statuses
        ],
    )


def _state(one: AgentStatus) -> str:
    """Whether it may work; both where its state is another reason not to."""
    if one.condition is Condition.ONLINE:
        return one.state.value
    if one.state in (AgentState.RUNNING, AgentState.PARKED):
        return one.condition.value
    return f"{one.state.value}/{one.condition.value}"


def _why(one: AgentStatus) -> str:
    because = why(one.reason, one.until) or ("in a turn" if one.turn else "")
    if one.condition is Condition.ONLINE or one.credential == DEFAULT_CREDENTIAL:
        return because
    return f"{because} (credential {cell(one.credential)})".lstrip()


COMMANDS = (
    agents,
    spawn,
    _agent_command("start", "runs", "Start the stopped agent NAME."),
    _agent_command("stop", "is stopped", "Stop NAME in order; its messages wait for its return."),
    _agent_command("restart", "is restarted", "Stop and start NAME; nothing is lost."),
    destroy,
    rights,
)
