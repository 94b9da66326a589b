"""`hive gate`: what waits for which credential, and what the operator does about it."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import click
from click.core import ParameterSource

from hive.cli.ask import ask
from hive.cli.format import cell, moment, safe, table
from hive.cli.options import Span, json_option, print_json, root_option
from hive.wire.codec import jsonable
from hive.wire.gates import ALL_MODELS, GateCommand, Gates, GateState, GateStatus, GetGates
from hive.wire.logins import DEFAULT_CREDENTIAL
from hive.wire.states import Condition

_OWN = "own:"
"""Begins the credential's name of an agent that is logged in within its own home."""


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
        click.echo(gates_table(found))


def _act(root: Path, command: GateCommand) -> None:
    """Have it done, then say what is so now."""

    ask(root, command)
    touched = [
        gate_line(one)
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


def gate_line(gate: GateStatus) -> str:
    """Write a bucket as `default: rate limited until 14:30, 4 agents wait, 12 messages queued`."""
    parts = [f"{_bucket(gate)}: {_what(gate)}"]
    if gate.waiting:
        parts.append("1 agent waits" if gate.waiting == 1 else f"{gate.waiting} agents wait")
    if gate.queued:
        parts.append("1 message queued" if gate.queued == 1 else f"{gate.queued} messages queued")
    if todo := gate_todo(gate):
        parts.append(todo)
    return ", ".join(parts)


def gate_todo(gate: GateStatus) -> str:
    """Name the command that ends the waiting; empty where time does, or nobody waits."""
    which = safe(gate.credential)
    if gate.state is GateState.HELD:
        return f"go on with: hive gate release {which}"
    if gate.state is not GateState.CLOSED:
        return ""
    if gate.condition is Condition.NEEDS_LOGIN:
        own = gate.credential.startswith(_OWN)
        return f"do: hive login {which[len(_OWN) :] if own else f'--credential {which}'}"
    if gate.condition is Condition.PARKED:
        return f"when repaired: hive gate probe {which}"
    return ""


def gates_table(found: Sequence[GateStatus]) -> str:
    """Write a table of buckets, each with who closed it and why."""
    if not found:
        return "no credential is in use yet"
    return table(
        ("CREDENTIAL", "BUCKET", "STATE", "WAITING", "QUEUED", "SOURCE", "WHY"),
        [
            (
                cell(one.credential),
                cell(one.bucket),
                _what(one),
                str(one.waiting),
                str(one.queued),
                cell(one.source or "-", 40),
                cell(one.reason or "", 120),
            )
            for one in found
        ],
    )


def _bucket(gate: GateStatus) -> str:
    whole = gate.credential if gate.bucket == ALL_MODELS else f"{gate.credential}/{gate.bucket}"
    return cell(whole)


def _what(gate: GateStatus) -> str:
    until = "" if gate.until is None else f" until {moment(gate.until)}"
    match gate.state:
        case GateState.OPEN:
            return "open"
        case GateState.WARNED:
            resets = "" if gate.until is None else f", which resets at {moment(gate.until)}"
            return f"near its limit{resets}"
        case GateState.PROBING:
            return f"{_word(gate)}, {cell(gate.probe or 'the next turn')} tries"
        case GateState.HELD:
            return f"held by the operator{until}"
        case GateState.CLOSED:
            return f"{_word(gate)}{until}"


def _word(gate: GateStatus) -> str:
    return gate.condition.value.replace("_", " ")


COMMANDS = (gate,)
