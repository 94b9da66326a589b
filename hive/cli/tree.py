"""One child of the tree: looked at, parked, unparked, kicked, suspended, resumed."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import click

from hive.cli.ask import ask
from hive.cli.format import ago, cell, clock, safe, table, why
from hive.cli.options import STOP_S, Span, json_option, print_json, root_option
from hive.wire.codec import jsonable
from hive.wire.tree import Child, GetChild, Happening, TreeCommand, TreeNode


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
        click.echo(child_text(child))


@click.command()
@click.argument("path")
@click.option("--for", "span", type=Span(), help="Until then, e.g. 15m; default: until unpark.")
@click.option("--reason", help="What the status shows.")
@root_option
def park(path: str, span: float | None, reason: str | None, root: Path) -> None:
    """Stop the child at PATH and keep it parked; an agent's NAME parks its work."""
    until = None if span is None else time.time() + span
    ask(root, TreeCommand(path, "park", reason, until), timeout=STOP_S)
    click.echo(f"{path} is parked" + (f" until {clock(until)}" if until else ""))


def _simple(action: str, past: str, text: str) -> click.Command:
    @click.command(action, help=text)
    @click.argument("path")
    @root_option
    def command(path: str, root: Path) -> None:
        ask(root, TreeCommand(path, action), timeout=STOP_S)
        click.echo(f"{path} is {past}")

    return command


def tree_table(node: TreeNode) -> str:
    """Write the tree below `node`, one line for each supervised thing."""
    now = time.time()
    rows = [
        (
            "  " * depth + cell(one.path.rpartition("/")[2]),
            one.state.value,
            ago(now - one.since),
            str(one.restarts),
            ago(one.last_tick_age_s),
            why(one.reason, one.until),
        )
        for depth, one in _walk(node, 0)
    ]
    return table(("TREE", "STATE", "SINCE", "RESTARTS", "TICK", "WHY"), rows)


def _walk(node: TreeNode, depth: int) -> Iterable[tuple[int, TreeNode]]:
    yield depth, node
    for child in node.children:
        yield from _walk(child, depth + 1)


def child_text(one: Child) -> str:
    """Write a supervised child, all below it, its history and its last failure."""
    parts = [tree_table(one.node)]
    if one.history:
        parts.append("\n".join(_happening(past) for past in one.history))
    if one.report:
        parts.append(f"Last failure:\n{safe(one.report)}")
    return "\n\n".join(parts)


def _happening(past: Happening) -> str:
    which = f"  #{past.incarnation}" if past.incarnation else ""
    return f"{clock(past.at)}{which}  {cell(past.text, 200)}"


COMMANDS = (
    tree,
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
