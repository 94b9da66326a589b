"""Messages that were not delivered: list them, retry them, drop them."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import click

from hive.cli import show
from hive.cli.ask import CommandFailed, ask
from hive.cli.options import json_option, message_json, print_json, root_option
from hive.wire import MOST_ROWS, Count, GetUndelivered, Inbox, Message, Resolve


@click.command("dead")
@click.option("--limit", type=click.IntRange(1, MOST_ROWS), default=50, show_default=True)
@root_option
@json_option
def undelivered(limit: int, root: Path, as_json: bool) -> None:
    """Show the messages that were given up (dead) or wait for you (held); see retry and drop."""
    messages = cast(Inbox, ask(root, GetUndelivered(limit))).messages
    if as_json:
        print_json([message_json(one) for one in messages])
    else:
        click.echo(_table(messages) if messages else "nothing is dead or held")


def _table(messages: Sequence[Message]) -> str:
    return show.table(
        ("ID", "STATE", "FROM", "TO", "SENT", "FAILED", "RETURNED", "BEGINS"),
        [
            (
                str(one.id),
                one.state.value,
                show.one_line(one.sender),
                show.one_line(one.recipient),
                show.clock(one.sent_at),
                str(one.attempts),
                str(one.returns),
                show.one_line(one.body),
            )
            for one in messages
        ],
    )


def _resolve(action: str, past: str, text: str) -> click.Command:
    @click.command(action, help=text)
    @click.argument("ids", metavar="ID...", nargs=-1, required=True, type=click.IntRange(min=1))
    @root_option
    def command(ids: tuple[int, ...], root: Path) -> None:
        wanted = tuple(dict.fromkeys(ids))
        count = cast(Count, ask(root, Resolve(wanted, action))).count
        if count == 0:
            raise CommandFailed(
                "nothing was changed: only messages that are dead or held can be retried or "
                "dropped; `hive dead` lists them"
            )
        click.echo(f"{past} {count} of {len(wanted)}")

    return command


COMMANDS = (
    undelivered,
    _resolve("retry", "retried", "Queue the dead or held messages ID... again, from the start."),
    _resolve(
        "drop",
        "dropped",
        "Give up the messages ID...: what is held is dead then and its sender is told, what is "
        "dead is listed no more.",
    ),
)
