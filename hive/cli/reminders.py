"""Reminders that agents have set: list them, retry and cancel them."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import click

from hive.cli.ask import ask
from hive.cli.format import cell, clock, table
from hive.cli.options import Span, json_option, print_json, root_option
from hive.wire.codec import jsonable
from hive.wire.reminders import (
    GetReminders,
    Reminder,
    ReminderList,
    ReminderRollup,
    ResolveReminder,
    Rollup,
)

PAST = {"retry": "is tried again", "cancel": "is cancelled"}


@click.command()
@click.argument("words", nargs=-1, metavar="[NAME | retry ID | cancel ID]")
@click.option(
    "--since", "span", type=Span(), default="1d", show_default=True, help="For the figures."
)
@root_option
@json_option
def reminders(words: tuple[str, ...], span: float, root: Path, as_json: bool) -> None:
    """Show the reminders that wait, of NAME or of all; retry a failed one, cancel one."""
    if len(words) == 2:
        _resolve(root, *words)
        return
    if len(words) > 2:
        raise click.UsageError("give a NAME, or retry ID, or cancel ID, or nothing")
    name = words[0] if words else None
    waiting = cast(ReminderList, ask(root, GetReminders(name, 500))).reminders
    rollup = cast(Rollup, ask(root, ReminderRollup(time.time() - span, name)))
    if as_json:
        print_json({"reminders": jsonable(waiting), "rollup": jsonable(rollup)})
    else:
        click.echo(f"{_table(waiting)}\n\n{_figures(rollup)}")


def _resolve(root: Path, action: str, number: str) -> None:
    if action not in PAST:
        raise click.UsageError(f"{action!r} is unknown: use {' or '.join(PAST)}")
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        raise click.UsageError(f"{number!r} is not the number of a reminder")
    ask(root, ResolveReminder(int(number), action))
    click.echo(f"reminder {number} {PAST[action]}")


def _table(waiting: Sequence[Reminder]) -> str:
    if not waiting:
        return "no reminder waits"
    return table(
        ("ID", "AGENT", "DUE", "STATE", "FAILED", "TEXT", "ERROR"),
        [
            (
                str(one.id),
                cell(one.agent),
                clock(one.due_at),
                one.state.value,
                str(one.attempts),
                cell(one.text),
                cell(one.error or ""),
            )
            for one in waiting
        ],
    )


def _figures(rollup: Rollup) -> str:
    late = ""
    if rollup.lateness_p50_s is not None and rollup.lateness_p95_s is not None:
        late = f"; late by {rollup.lateness_p50_s:.3f} s (p50), {rollup.lateness_p95_s:.3f} s (p95)"
    return (
        f"now {rollup.pending} pending, {rollup.failed} failed; since "
        f"{clock(rollup.since)}: {rollup.attempted} attempted, {rollup.delivered} delivered, "
        f"{rollup.cancelled} cancelled{late}"
    )


COMMANDS = (reminders,)
