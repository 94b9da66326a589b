"""Messages: sent, read, followed by thread; those not delivered listed, retried, dropped."""

import math
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import click

from hive.cli.ask import ANSWER_S, ask
from hive.cli.errors import CommandFailed
from hive.cli.format import cell, clock, safe, table
from hive.cli.options import json_option, message_json, print_json, root_option, text_argument
from hive.wire.bounds import MOST_ROWS, clamp
from hive.wire.messages import (
    Ack,
    Awaited,
    Count,
    GetInbox,
    GetThread,
    GetUndelivered,
    Inbox,
    Message,
    MessageState,
    OperatorSend,
    Resolve,
    Sent,
    WaitReply,
)
from hive.wire.names import EVERYBODY, OPERATOR

LONGEST_WAIT_S = 600.0
"""One request waits at most so long for an answer; then it is asked again."""


@click.command()
@click.argument("name", metavar="NAME")
@click.argument("text", metavar="TEXT|-")
@click.option("--from", "sender", default=OPERATOR, show_default=True, help="In whose name.")
@click.option("--in-reply-to", type=int, help="The message that this answers.")
@click.option("--urgent", is_flag=True, help="It may use the reserve of a budget.")
@click.option("--key", help="Its idempotency key: sent again with it within a day, it is the same.")
@click.option("--wait", is_flag=True, help="Wait for NAME's answer and print it.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, max=30 * 86400),
    default=600.0,
    show_default=True,
    help="For --wait, in s.",
)
@root_option
def send(
    name: str,
    text: str,
    sender: str,
    in_reply_to: int | None,
    urgent: bool,
    key: str | None,
    wait: bool,
    timeout: float,
    root: Path,
) -> None:
    """Send TEXT (or standard input for -) to NAME, or to all agents for *; print its id."""
    if wait and (name in (EVERYBODY, OPERATOR) or sender != OPERATOR):
        raise click.UsageError(
            "--wait is for one agent's answer to you: it goes neither with * or operator as NAME "
            "nor with --from"
        )
    if math.isnan(timeout):
        raise click.UsageError("--timeout is a number of seconds")
    key = key or uuid.uuid4().hex
    body = OperatorSend(name, text_argument(text), sender, in_reply_to, key, urgent)
    hint = f"sending it again with `--key {key}` within a day stores it once only"
    id_ = cast(Sent, ask(root, body, hint=hint)).id
    click.echo(safe(_answer(root, name, id_, timeout)) if wait else id_)


def _answer(root: Path, name: str, id_: int, timeout: float) -> str:
    """Wait for the answer to message `id_`; raises CommandFailed when there is none."""
    deadline = time.monotonic() + timeout
    while True:
        left = clamp(deadline - time.monotonic(), 0.0, LONGEST_WAIT_S)
        try:
            found = cast(Awaited, ask(root, WaitReply(id_, left), timeout=left + ANSWER_S))
        except CommandFailed as error:
            kept = f"message {id_} is stored, `hive inbox` will show its answer"
            raise CommandFailed(f"{error} ({kept})", error.code) from None
        if found.answer is not None:
            return found.answer.body
        if found.question.state in (MessageState.DEAD, MessageState.HELD):
            break
        if time.monotonic() >= deadline:
            break
    raise CommandFailed(_no_answer(name, found, timeout))


def _no_answer(name: str, found: Awaited, timeout: float) -> str:
    id_ = found.question.id
    match found.question.state:
        case MessageState.DEAD:
            why = found.bounce.body.partition("\nIt began:")[0] if found.bounce else ""
            return f"{name} will not answer: {why or f'message {id_} is dead'}"
        case MessageState.HELD:
            return (
                f"{name} does not answer for now: message {id_} was returned too often and waits "
                f"for you; `hive retry {id_}` or `hive drop {id_}`"
            )
        case MessageState.DONE:
            return (
                f"{name} has ended its turn for message {id_} and sent no answer within "
                f"{timeout:g} s; `hive inbox` shows what it sent to you, `hive events {name}` "
                "what it did"
            )
        case state:
            what = "waits" if state is MessageState.QUEUED else "is worked on"
            return f"{name} sent nothing within {timeout:g} s (message {id_} {what})"


@click.command()
@click.argument("name", required=False)
@click.option("--limit", type=click.IntRange(1, MOST_ROWS), default=50, show_default=True)
@click.option("--ack", is_flag=True, help="Mark the operator's shown messages as read.")
@root_option
@json_option
def inbox(name: str | None, limit: int, ack: bool, root: Path, as_json: bool) -> None:
    """Show the messages to NAME; without NAME those to the operator."""
    if ack and name not in (None, OPERATOR):
        raise click.UsageError("--ack is for the operator's own inbox: leave NAME out")
    messages = cast(Inbox, ask(root, GetInbox(name, limit))).messages
    if as_json:
        print_json([message_json(one) for one in messages])
    else:
        click.echo("\n".join(map(message_text, messages)) or "no messages")
    if ack and messages:
        ask(root, Ack(tuple(one.id for one in messages)))


@click.command()
@click.argument("number", metavar="ID", type=click.IntRange(min=1))
@root_option
@json_option
def thread(number: int, root: Path, as_json: bool) -> None:
    """Show message ID with what it answers and what answers it, oldest first."""
    messages = cast(Inbox, ask(root, GetThread(number))).messages
    if as_json:
        print_json([message_json(one) for one in messages])
    elif messages:
        click.echo("\n".join(map(message_text, messages)))
    else:
        raise CommandFailed(f"there is no message {number}")


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
    return table(
        ("ID", "STATE", "FROM", "TO", "SENT", "FAILED", "RETURNED", "BEGINS"),
        [
            (
                str(one.id),
                one.state.value,
                cell(one.sender),
                cell(one.recipient),
                clock(one.sent_at),
                str(one.attempts),
                str(one.returns),
                cell(one.body),
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


def message_text(one: Message) -> str:
    """Write a message with its head line and its whole body, indented."""
    marks = [f"in reply to {one.in_reply_to}"] if one.in_reply_to is not None else []
    marks += [one.state.value] + (["redelivered"] if one.redelivered else [])
    marks += [f"attempt {one.attempts + 1}"] if one.attempts else []
    head = f"{one.id}  {clock(one.sent_at)}  {one.sender} -> {one.recipient}  ({', '.join(marks)})"
    return "\n".join([head, *("    " + line for line in safe(one.body).splitlines())])


COMMANDS = (
    send,
    inbox,
    thread,
    undelivered,
    _resolve("retry", "retried", "Queue the dead or held messages ID... again, from the start."),
    _resolve(
        "drop",
        "dropped",
        "Give up the messages ID...: what is held is dead then and its sender is told, what is "
        "dead is listed no more.",
    ),
)
