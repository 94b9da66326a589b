"""Questions of agents: list them, answer them."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import click

from hive.cli.ask import ask
from hive.cli.format import ago, cell, clock, safe
from hive.cli.options import json_option, print_json, root_option, text_argument
from hive.wire.bounds import MOST_ROWS
from hive.wire.codec import jsonable
from hive.wire.messages import Sent
from hive.wire.questions import Answer, GetQuestions, Question, Questions, QuestionState


@click.command()
@root_option
@json_option
@click.option("--all", "ended", is_flag=True, help="Also those that have ended.")
@click.option("--limit", type=click.IntRange(1, MOST_ROWS), default=100, show_default=True)
def questions(root: Path, as_json: bool, ended: bool, limit: int) -> None:
    """Show the open questions of all agents, to you and to each other, oldest first."""
    found = cast(Questions, ask(root, GetQuestions(ended, limit))).questions
    if as_json:
        print_json([jsonable(one) for one in found])
    else:
        click.echo(show_questions(found) or f"no {'' if ended else 'open '}questions")


@click.command()
@click.argument("number", type=click.IntRange(1), metavar="ID")
@click.argument("text", metavar="[TEXT|-]", required=False)
@click.option("--option", "options", type=click.IntRange(1), multiple=True, help="Its number.")
@root_option
def answer(number: int, text: str | None, options: tuple[int, ...], root: Path) -> None:
    """Answer the question ID by TEXT (or standard input for -) or by one or more --option N.

    It may be one that an agent was asked: then you answer in its place. Prints the id of the
    message that tells the asker.
    """
    if (text is None) != bool(options):
        raise click.UsageError("give either a TEXT or --option N")
    said = None if text is None else text_argument(text)
    click.echo(cast(Sent, ask(root, Answer(number, said, options))).id)


def show_questions(found: Sequence[Question]) -> str:
    """Write each question with its head line, its text and its options, indented."""
    return "\n".join(_question(one) for one in found)


def _question(one: Question) -> str:
    head = f"{one.id}  {clock(one.asked_at)}  {one.asker} -> {one.to}  ({_state(one)})"
    lines = safe(one.text).splitlines()
    lines += [f"{n}. {cell(option, 200)}" for n, option in enumerate(one.options, 1)]
    if one.multi and one.state is QuestionState.OPEN:
        lines.append("(one or more)")
    if one.answer is not None:
        lines += [f"= {line}" for line in safe(one.answer).splitlines()]
    return "\n".join([head, *("    " + line for line in lines)])


def _state(one: Question) -> str:
    if one.state is QuestionState.OPEN:
        if one.expires_at is None:
            return "open"
        left = one.expires_at - time.time()
        return f"open, expires in {ago(left)}" if left > 0 else "expires now"
    by = f" by {one.answered_by}" if one.answered_by else ""
    return f"{one.state.value}{by}" + (f" {clock(one.ended_at)}" if one.ended_at else "")


COMMANDS = (questions, answer)
