"""`hive audit`: what operators did."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import click

from hive.cli.ask import ask
from hive.cli.format import cell, clock, table
from hive.cli.options import json_option, print_json, root_option
from hive.wire.audit import Audit, AuditEntry, GetAudit
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
        click.echo(audit_table(entries))


def audit_table(entries: Sequence[AuditEntry]) -> str:
    """Write a table of what operators did and what came of it, oldest first."""
    if not entries:
        return "nobody has done anything yet"
    return table(
        ("WHEN", "WHO", "WHAT", "TARGET", "OUTCOME", "DETAIL"),
        [
            (
                clock(e.at),
                cell(e.who),
                cell(e.action),
                cell(e.target),
                cell(f"{e.outcome.value}: {e.why}" if e.why else e.outcome.value, 100),
                cell(e.detail),
            )
            for e in entries
        ],
    )


COMMANDS = (audit,)
