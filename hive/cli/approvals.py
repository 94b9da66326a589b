"""Approvals: list them, look at what they change, approve and deny them."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import click

from hive.cli.ask import ask
from hive.cli.errors import CommandFailed
from hive.cli.format import ago, cell, clock, safe, table
from hive.cli.options import STOP_S, json_option, print_json, root_option
from hive.wire.approvals import (
    Against,
    Approval,
    ApprovalDecided,
    ApprovalDifference,
    Approvals,
    ApprovalState,
    DecideApproval,
    GetApproval,
    GetApprovals,
)
from hive.wire.bounds import MAX_ID, MOST_ROWS
from hive.wire.codec import jsonable

ID = click.IntRange(1, MAX_ID)
_MOST_KEYS = 3
"""Keys in one line of the list; the others are counted."""


@click.command()
@click.argument("number", type=ID, metavar="[ID]", required=False)
@click.option("--all", "ended", is_flag=True, help="Also those that have ended.")
@click.option("--limit", type=click.IntRange(1, MOST_ROWS), default=100, show_default=True)
@click.option(
    "--against",
    type=click.Choice([one.value for one in Against]),
    default=Against.BASE.value,
    show_default=True,
    help="With ID: compare with what runs, with the last one approved, or with the previous one.",
)
@root_option
@json_option
def approvals(
    number: int | None, ended: bool, limit: int, against: str, root: Path, as_json: bool
) -> None:
    """Show what waits for your approval, or the approval ID with all that it changes."""
    if number is not None:
        shown = cast(ApprovalDifference, ask(root, GetApproval(number, Against(against))))
        if as_json:
            more = {"against": against, "compared_with": shown.old, "diff": shown.diff}
            print_json([approval_json(shown.approval) | more])
        else:
            click.echo(_shown(shown))
        return
    found = cast(Approvals, ask(root, GetApprovals(ended, limit))).approvals
    if as_json:
        print_json([approval_json(one) for one in found])
    else:
        click.echo(_table(found) if found else f"no {'' if ended else 'open '}approvals")


def _decision(name: str, approve: bool, text: str) -> click.Command:
    @click.command(name, help=text)
    @click.argument("number", type=ID, metavar="ID")
    @click.option("--note", default="", help="Told to whoever proposed it.")
    @root_option
    def command(number: int, note: str, root: Path) -> None:
        wish = DecideApproval(number, approve, note)
        decided = cast(ApprovalDecided, ask(root, wish, timeout=STOP_S))
        click.echo(_decided(decided))

    return command


def approval_json(one: Approval) -> dict[str, Any]:
    """Return the documented shape: the class of a key is `class`, the rest as on the wire."""
    fields = [{"key": each.key, "class": each.key_class.value} for each in one.fields]
    shown: dict[str, Any] = jsonable(one)
    return shown | {"fields": fields}


def _decided(decided: ApprovalDecided) -> str:
    one = decided.approval
    match one.state:
        case ApprovalState.DENIED:
            return f"approval {one.id} is denied"
        case ApprovalState.APPROVED:
            return (
                f"approval {one.id} is approved and waits: this version of the hive does not "
                f"deploy commits yet, so {one.agent} goes on as before"
            )
    look = ""
    if decided.instead is not None:
        look = f"; look at `hive approvals {decided.instead.id}` and decide that"
    raise CommandFailed(f"approval {one.id} was not approved: {cell(one.note, 200)}{look}")


def _table(found: Sequence[Approval]) -> str:
    return table(
        ("ID", "AGENT", "KIND", "STATE", "BY", "COMMIT", "SINCE", "EXPIRES", "CHANGES", "TEXT"),
        [
            (
                str(one.id),
                one.agent,
                one.kind.value,
                one.state.value,
                one.by,
                _short(one.commit),
                clock(one.created_at),
                _left(one),
                _keys(one),
                cell(one.description),
            )
            for one in found
        ],
    )


def _keys(one: Approval) -> str:
    if not one.fields:
        return "files only" if one.commit else "-"
    shown = [f"{cell(each.key, 40)} ({each.key_class})" for each in one.fields[:_MOST_KEYS]]
    more = len(one.fields) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _shown(shown: ApprovalDifference) -> str:
    one = shown.approval
    lines = [
        f"approval {one.id}: {one.kind} of {one.agent}, proposed by {one.by}",
        f"state    {_state(one)}",
        f"commit   {one.commit or '-'}",
        f"base     {one.base or 'nothing is deployed yet'}",
    ]
    if one.description:
        lines += ["text", *(f"    {line}" for line in safe(one.description).splitlines())]
    lines.append("changes" if one.fields else "changes  no key of agent.toml")
    lines += [f"    {safe(each.key)}  {each.key_class}" for each in one.fields]
    if one.fields:
        hot = "at once, without a restart" if one.is_hot else "by a restart of the agent"
        lines.append(f"to be applied {hot}")
    if shown.diff is None:
        return "\n".join([*lines, f"no difference can be shown: {safe(shown.why_none)}"])
    head = f"difference to {_AGAINST[shown.against]}, commit {_short(shown.old)}:"
    return "\n".join([*lines, "", head, safe(shown.diff).rstrip("\n") or "(none)"])


_AGAINST = {
    Against.BASE: "what was deployed then, or else the first configuration",
    Against.APPROVED: "the last one approved before it",
    Against.PREVIOUS: "the previous one",
}


def _state(one: Approval) -> str:
    ended = f" {clock(one.ended_at)}" if one.ended_at is not None else ""
    expires = f", expires in {_left(one)}" if one.state is ApprovalState.OPEN else ""
    note = f": {cell(one.note, 4000)}" if one.note else ""
    return f"{one.state}{ended}{expires}{note}"


def _left(one: Approval) -> str:
    if one.state is not ApprovalState.OPEN:
        return "-"
    return ago(max(0.0, one.expires_at - time.time()))


def _short(commit: str | None) -> str:
    return "-" if commit is None else commit[:12]


COMMANDS = (
    approvals,
    _decision("approve", True, "Approve the approval ID, once."),
    _decision("deny", False, "Refuse the approval ID."),
)
