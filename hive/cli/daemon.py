"""`hive status`: the whole hive."""

import time
from pathlib import Path
from typing import cast

import click

from hive.cli.agents import agents_table
from hive.cli.ask import ask
from hive.cli.format import cell, safe
from hive.cli.gates import gate_line
from hive.cli.options import json_option, print_json, root_option
from hive.cli.terminal import whole_screen
from hive.cli.tree import tree_table
from hive.wire.codec import jsonable
from hive.wire.daemon import GetStatus, Status


@click.command()
@root_option
@json_option
@click.option("--watch", is_flag=True, help="Show it again every second until Ctrl-C.")
def status(root: Path, as_json: bool, watch: bool) -> None:
    """Show every agent and the whole supervisor tree, across daemon and harnesses."""
    if not watch:
        print_status(cast(Status, ask(root, GetStatus())), as_json)
        return
    with whole_screen() as show:
        while True:
            show(status_text(cast(Status, ask(root, GetStatus()))))
            time.sleep(1)


def print_status(whole: Status, as_json: bool) -> None:
    """Print the status of the hive, for people or as JSON."""
    if as_json:
        print_json(jsonable(whole))
    else:
        click.echo(status_text(whole))


def status_text(whole: Status) -> str:
    """Write the status for people: what is wrong first, then the agents, then the tree."""
    head = f"Hyperhive in {safe(whole.root)}" + (" (demo)" if whole.demo else "")
    first = [f"! {cell(text, 300)}" for text in (*whole.notices, *map(gate_line, whole.gates))]
    return "\n".join([head, *first, "", agents_table(whole.agents), "", tree_table(whole.tree)])


COMMANDS = (status,)
