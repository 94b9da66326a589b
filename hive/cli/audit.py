"""`hive audit`: what operators did."""

from pathlib import Path
from typing import cast

import click

from hive.cli import show
from hive.cli.ask import ask
from hive.cli.options import json_option, print_json, root_option
from hive.wire.audit import Audit, GetAudit
from hive.wire.bounds import MOST_ROWS
from hive.wire.codec import jsonable


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


COMMANDS = (audit,)
