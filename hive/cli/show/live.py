"""Messages and LiveEvents."""

from hive.cli.show.limits import budget_reached, gate_line
from hive.cli.show.text import clock, one_line, safe, why
from hive.wire.agents import Said, StatusChanged
from hive.wire.budgets import BudgetReached
from hive.wire.daemon import Notice
from hive.wire.events import LiveEvent
from hive.wire.gates import GateChanged
from hive.wire.messages import Message, MessageMoved, MessageSent
from hive.wire.states import Condition
from hive.wire.tree import Supervision
from hive.wire.turns import ApiRetry, Text, ToolCall, ToolResult, TurnEnded, TurnStarted


def message(one: Message) -> str:
    """A message with its head line and its whole body, indented."""
    marks = [f"in reply to {one.in_reply_to}"] if one.in_reply_to is not None else []
    marks += [one.state.value] + (["redelivered"] if one.redelivered else [])
    marks += [f"attempt {one.attempts + 1}"] if one.attempts else []
    head = f"{one.id}  {clock(one.sent_at)}  {one.sender} -> {one.recipient}  ({', '.join(marks)})"
    return "\n".join([head, *("    " + line for line in safe(one.body).splitlines())])


def event(live: LiveEvent) -> str:
    """One LiveEvent on one line."""
    who = live.agent or "hive"
    return f"{live.seq}  {clock(live.at)}  {who}  {one_line(_event_text(live), 200)}"


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
        case Said(text):
            return f"says of itself: {text}" if text else "says nothing of itself any more"
