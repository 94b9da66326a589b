"""Schedules that agents have requested: approve, deny, edit, fire and cancel them."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import click
from click.core import ParameterSource

from hive.cli.ask import ask
from hive.cli.format import ago, cell, clock, table
from hive.cli.options import Span, json_option, print_json, root_option, text_argument
from hive.wire.bounds import MAX_ID
from hive.wire.codec import jsonable
from hive.wire.schedules import EditSchedule, GetSchedules, ResolveSchedule, Schedule, ScheduleList

ID = click.IntRange(1, MAX_ID)


@click.group(invoke_without_command=True)
@click.option("--all", "ended", is_flag=True, help="Denied and cancelled ones too.")
@root_option
@json_option
@click.pass_context
def schedules(ctx: click.Context, ended: bool, root: Path, as_json: bool) -> None:
    """Show schedules; approve, deny, edit, fire and cancel them."""
    if ctx.invoked_subcommand is not None:
        given = ctx.get_parameter_source("root") is ParameterSource.COMMANDLINE
        if given or as_json or ended:
            raise click.UsageError(f"options go behind {ctx.invoked_subcommand!r}")
        return
    found = cast(ScheduleList, ask(root, GetSchedules(ended))).schedules
    if as_json:
        print_json([jsonable(one) for one in found])
    else:
        click.echo(_table(found) if found else "no schedules")


def _resolve(action: str, past: str, text: str) -> None:
    @schedules.command(action, help=text)
    @click.argument("id_", metavar="ID", type=ID)
    @click.option("--reason", help="Told to the agent.", hidden=action == "fire")
    @root_option
    def command(id_: int, reason: str | None, root: Path) -> None:
        ask(root, ResolveSchedule(id_, action, reason))
        click.echo(f"schedule {id_} {past}")


_resolve("approve", "runs from now on", "Let the requested schedule ID run.")
_resolve("deny", "is denied", "Refuse the requested schedule ID.")
_resolve("fire", "has run", "Run the schedule ID once, now, beside its times.")
_resolve("cancel", "is cancelled", "End the schedule ID.")


@schedules.command()
@click.argument("id_", metavar="ID", type=ID)
@click.option("--cron", help="Five fields: '30 9 * * 1-5'.")
@click.option("--every", type=Span(), help="Instead of cron, e.g. 90m.")
@click.option("--zone", help="IANA time zone of cron, e.g. Europe/Berlin.")
@click.option("--to", multiple=True, help="A recipient; may be given several times.")
@click.option("--text", metavar="TEXT|-", help="The message.")
@root_option
def edit(
    id_: int,
    cron: str | None,
    every: float | None,
    zone: str | None,
    to: tuple[str, ...],
    text: str | None,
    root: Path,
) -> None:
    """Change the schedule ID; its agent is told."""
    body = None if text is None else text_argument(text)
    wish = EditSchedule(id_, body, to or None, cron, every, zone)
    if wish == EditSchedule(id_):
        raise click.UsageError("say what to change: --cron, --every, --zone, --to or --text")
    ask(root, wish)
    click.echo(f"schedule {id_} is changed")


def _table(found: Sequence[Schedule]) -> str:
    return table(
        ("ID", "AGENT", "STATE", "WHEN", "NEXT", "RUNS", "SKIPPED", "TO", "TEXT", "ERROR"),
        [
            (
                str(one.id),
                cell(one.agent),
                one.state.value,
                cell(_when(one)),
                "-" if one.next_at is None else clock(one.next_at),
                str(one.fired),
                str(one.skipped),
                cell(", ".join(one.to)),
                cell(one.text),
                cell(one.error or ""),
            )
            for one in found
        ],
    )


def _when(one: Schedule) -> str:
    if one.cron is None:
        return f"every {ago(one.every_s)}"
    return f"{one.cron} {one.zone}"


COMMANDS = (schedules,)
