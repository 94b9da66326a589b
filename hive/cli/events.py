"""`hive events`: what happened, and what happens."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import click

from hive.cli import show
from hive.cli.ask import CommandFailed, Pushes, with_daemon
from hive.cli.options import AGENT, json_option, print_json, root_option
from hive.link import Peer
from hive.wire.bounds import MOST_ROWS
from hive.wire.codec import flat
from hive.wire.daemon import Done
from hive.wire.events import EventBatch, Events, Follow, GetEvents, LiveEvent


class OutputLost(Exception):
    """Standard output cannot be written; an OSError would be taken for one of the link."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error)
        self.error = error


@click.command()
@click.argument("name", required=False, type=AGENT)
@click.option("--follow", is_flag=True, help="Go on with what comes.")
@click.option("--since", type=int, default=0, help="Only events above this sequence number.")
@click.option("--limit", type=click.IntRange(1, MOST_ROWS), default=200, show_default=True)
@root_option
@json_option
def events(
    name: str | None, follow: bool, since: int, limit: int, root: Path, as_json: bool
) -> None:
    """Show LiveEvents, of NAME or of the whole hive, oldest first."""
    pushes = Pushes()

    async def use(peer: Peer) -> None:
        recent = cast(Events, await peer.request(GetEvents(name, since, limit), timeout=30))
        print_events(recent.events, as_json)
        if not follow:
            return
        cast(Done, await peer.request(Follow(name, recent.seq), timeout=30))
        async for pushed in pushes.receive:
            if not isinstance(pushed, EventBatch):
                break
            print_events(pushed.events, as_json)
        raise CommandFailed("the stream of events broke off: start again with --since SEQ")

    with_daemon(root, use, pushes)


def print_events(batch: Sequence[LiveEvent], as_json: bool) -> None:
    try:
        for live in batch:
            if as_json:
                print_json(flat(live))
            else:
                click.echo(show.event(live))
    except OSError as error:
        raise OutputLost(error) from None


COMMANDS = (events,)
