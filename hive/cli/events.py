"""`hive events`: what happened, and what happens."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import click

from hive.cli.ask import Pushes, with_daemon
from hive.cli.budgets import budget_reached
from hive.cli.errors import CommandFailed
from hive.cli.format import cell, clock, why
from hive.cli.gates import gate_line
from hive.cli.options import AGENT, json_option, print_json, root_option
from hive.link import Peer
from hive.wire.agents import Said, StatusChanged
from hive.wire.approvals import ApprovalMoved, ApprovalOpened
from hive.wire.bounds import MOST_ROWS
from hive.wire.budgets import BudgetReached
from hive.wire.codec import flat
from hive.wire.daemon import Done, Notice
from hive.wire.events import EventBatch, Events, Follow, GetEvents, LiveEvent
from hive.wire.gates import GateChanged
from hive.wire.messages import MessageMoved, MessageSent
from hive.wire.states import Condition
from hive.wire.tree import Supervision
from hive.wire.turns import ApiRetry, Text, ToolCall, ToolResult, TurnEnded, TurnStarted


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
    """Print events, a line each; raises OutputLost when nobody takes them."""
    try:
        for live in batch:
            if as_json:
                print_json(flat(live))
            else:
                click.echo(event_line(live))
    except OSError as error:
        raise OutputLost(error) from None


def event_line(live: LiveEvent) -> str:
    """Write one LiveEvent on one line, its number first."""
    who = live.agent or "hive"
    return f"{live.seq}  {clock(live.at)}  {who}  {cell(_event_text(live), 200)}"


def _event_text(live: LiveEvent) -> str:
    match live.event:
        case StatusChanged(state, reason, until, condition, credential):
            if condition is Condition.ONLINE:
                what = f"is {state.value}"
            else:
                what = f"is {condition.value} ({credential})"
            return f"{what}: {because}" if (because := why(reason, until)) else what
        case GateChanged(gate):
            return gate_line(gate) + (f": {gate.reason}" if gate.reason else "")
        case BudgetReached():
            return budget_reached(live.event)
        case MessageSent(id_, sender, recipient, body):
            return f"message {id_} {sender} -> {recipient}: {body}"
        case MessageMoved(ids, state, because):
            which = ", ".join(map(str, ids))
            return f"message {which} {state.value}" + (f": {because}" if because else "")
        case TurnStarted(_, messages):
            return f"turn began for message {', '.join(map(str, messages))}"
        case TurnEnded(_, outcome, detail, duration, usage):
            cost = f", ${usage.cost_usd:.4f}" if usage.cost_usd else ""
            return f"turn {outcome.value} in {duration:.1f} s{cost}" + (detail and f": {detail}")
        case Text(_, text):
            return f"says: {text}"
        case ToolCall(_, _, tool, arguments):
            return f"calls {tool} {arguments}"
        case ToolResult(_, _, is_error, text):
            return f"{'error' if is_error else 'result'}: {text}"
        case ApiRetry(_, attempt, error, delay):
            return f"API retry {attempt} in {delay:.1f} s: {error}"
        case Supervision(_, _, text) | Notice(text):
            return text
        case ApprovalOpened(id_, what, by, commit, description):
            which = f"{what} by {by}" + (f", commit {commit[:12]}" if commit else "")
            return f"approval {id_} is open ({which})" + (description and f": {description}")
        case ApprovalMoved(id_, state, note):
            return f"approval {id_} is {state}" + (note and f": {note}")
        case Said(text):
            return f"says of itself: {text}" if text else "says nothing of itself any more"


COMMANDS = (events,)
