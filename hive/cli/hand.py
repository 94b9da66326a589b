"""The operator's hand on the tree: look at one child, park, unpark, kick, suspend, resume it."""

import re
import time
from pathlib import Path
from typing import cast

import click

from hive.cli import show
from hive.cli.ask import ask
from hive.cli.options import json_option, print_json, root_option
from hive.wire import MOST_ROWS, Audit, Child, GetAudit, GetChild, TreeCommand, jsonable

STOP_S = 60.0
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Span(click.ParamType[float]):
    """A time span: `90s`, `15m`, `2h`, `1d`; seconds."""

    name = "SPAN"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", str(value))
        if match is None:
            self.fail(f"{value!r} is no time span: write 90s, 15m, 2h or 1d", param, ctx)
        return float(match[1]) * _UNITS[match[2]]


@click.command()
@click.argument("path")
@root_option
@json_option
def tree(path: str, root: Path, as_json: bool) -> None:
    """Show the child at PATH, all below it, its history and its last failure in full."""
    child = cast(Child, ask(root, GetChild(path)))
    if as_json:
        print_json(jsonable(child))
    else:
        click.echo(show.child(child))


@click.command()
@root_option
@json_option
@click.option("--limit", type=click.IntRange(1, MOST_ROWS), default=50, show_default=True)
def audit(root: Path, as_json: bool, limit: int) -> None:
    """Show what operators did: when, who, what, to whom."""
    entries = cast(Audit, ask(root, GetAudit(limit))).entries
    if as_json:
        print_json([jsonable(entry) for entry in entries])
    else:
        click.echo(show.audit(entries))


@click.command()
@click.argument("path")
@click.option("--for", "span", type=Span(), help="Until then, e.g. 15m; default: until unpark.")
@click.option("--reason", help="What the status shows.")
@root_option
def park(path: str, span: float | None, reason: str | None, root: Path) -> None:
    """Stop the child at PATH and keep it parked; an agent's NAME parks its work."""
    until = None if span is None else time.time() + span
    ask(root, TreeCommand(path, "park", reason, until), timeout=STOP_S)
    click.echo(f"{path} is parked" + (f" until {show.clock(until)}" if until else ""))


def _simple(action: str, past: str, text: str) -> click.Command:
    @click.command(action, help=text)
    @click.argument("path")
    @root_option
    def command(path: str, root: Path) -> None:
        ask(root, TreeCommand(path, action), timeout=STOP_S)
        click.echo(f"{path} is {past}")

    return command


COMMANDS = (
    tree,
    audit,
    park,
    _simple("unpark", "unparked", "Let the parked child at PATH go on now."),
    _simple("kick", "restarted", "Stop and start the child at PATH, also out of back-off or park."),
    _simple(
        "suspend",
        "suspended",
        "An agent (its NAME) ends its turn and takes no more work; see resume.",
    ),
    _simple("resume", "resumed", "Let the suspended child at PATH go on."),
)
