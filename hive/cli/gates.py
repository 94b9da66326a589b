"""`hive gate`: what waits for which credential, and the operator's hand on it."""

import time
from pathlib import Path
from typing import cast

import click
from click.core import ParameterSource

from hive.cli import show
from hive.cli.ask import ask
from hive.cli.options import Span, json_option, print_json, root_option
from hive.wire.codec import jsonable
from hive.wire.gates import GateCommand, Gates, GetGates
from hive.wire.logins import DEFAULT_CREDENTIAL


@click.group(invoke_without_command=True)
@root_option
@json_option
@click.pass_context
def gate(ctx: click.Context, root: Path, as_json: bool) -> None:
    """Show every bucket of every credential: who waits until when, and why.

    A credential has a bucket for all models, and one for each model family with a limit of its own.
    """
    if ctx.invoked_subcommand is not None:
        if as_json or ctx.get_parameter_source("root") is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"write options behind the word: {ctx.invoked_subcommand} …")
        return
    found = cast(Gates, ask(root, GetGates())).gates
    if as_json:
        print_json([jsonable(one) for one in found])
    else:
        click.echo(show.gates(found))


def _act(root: Path, command: GateCommand) -> None:
    """Have it done, then say what is so now."""

    ask(root, command)
    touched = [
        show.gate_line(one)
        for one in cast(Gates, ask(root, GetGates())).gates
        if one.credential == command.credential and command.bucket in (None, one.bucket)
    ]
    click.echo("\n".join(touched) or f"{command.credential}: nothing of it is in use")


credential_argument = click.argument("credential", default=DEFAULT_CREDENTIAL)
bucket_option = click.option(
    "--bucket", help="Only this one, as `hive gate` shows it; default: all of the credential."
)


@gate.command()
@credential_argument
@bucket_option
@click.option("--for", "span", type=Span(), help="Until then, e.g. 15m; default: until release.")
@click.option("--reason", help="What the status shows.")
@root_option
def hold(
    credential: str, bucket: str | None, span: float | None, reason: str | None, root: Path
) -> None:
    """Let no agent with CREDENTIAL begin a turn; running turns finish."""
    until = None if span is None else time.time() + span
    _act(root, GateCommand(credential, "hold", bucket, reason, until))


def _simple(action: str, text: str) -> None:
    @gate.command(action, help=text)
    @credential_argument
    @bucket_option
    @root_option
    def command(credential: str, bucket: str | None, root: Path) -> None:
        _act(root, GateCommand(credential, action, bucket))


_simple("release", "Open CREDENTIAL now, whatever it waits for; its agents go on one by one.")
_simple("probe", "Let one agent try CREDENTIAL now; the others follow when it was answered.")


COMMANDS = (gate,)
