"""`hive status`: the whole hive."""

import time
from pathlib import Path
from typing import cast

import click

from hive.cli import show
from hive.cli.ask import ask
from hive.cli.options import json_option, print_json, root_option
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
    import rich.live
    import rich.text

    with rich.live.Live(auto_refresh=False, screen=True) as live:
        while True:
            whole = cast(Status, ask(root, GetStatus()))
            live.update(rich.text.Text(show.status(whole), no_wrap=True), refresh=True)
            time.sleep(1)


def print_status(whole: Status, as_json: bool) -> None:
    if as_json:
        print_json(jsonable(whole))
    else:
        click.echo(show.status(whole))


COMMANDS = (status,)
