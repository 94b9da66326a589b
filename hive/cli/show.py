"""What commands print. Text of agents is untrusted: nothing in it may drive the terminal."""

import time
from collections.abc import Iterable, Sequence
from datetime import datetime

from hive.wire import (
    AgentStatus,
    ApiRetry,
    AuditEntry,
    BudgetReached,
    Child,
    GateChanged,
    Happening,
    LiveEvent,
    Message,
    MessageMoved,
    MessageSent,
    Notice,
    Said,
    Status,
    StatusChanged,
    Supervision,
    Text,
    ToolCall,
    ToolResult,
    TreeNode,
    TurnEnded,
    TurnStarted,
)

_WIDEST = 60


def safe(text: str) -> str:
    """`text` with every control character but line break and tab made visible."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text
    )


def one_line(text: str, width: int = _WIDEST) -> str:
    """The text on one line, cut at `width`."""
    line = " ".join(safe(text).split())
    return line if len(line) <= width else line[: width - 1] + "…"


def clock(epoch: float) -> str:
    """Local time of day, with the date when it is not today."""
    when = datetime.fromtimestamp(epoch)
    same_day = when.date() == datetime.now().date()
    return when.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S")


def ago(seconds: float | None) -> str:
    """An age in its two largest useful digits."""
    if seconds is None:
        return "-"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s" if seconds >= 1 else "now"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their widest cell."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _why(reason: str | None, until: float | None) -> str:
    parts = [one_line(reason)] if reason else []
    if until is not None:
        parts.append(f"until {clock(until)}")
    return ", ".join(parts)


def agents(statuses: Sequence[AgentStatus]) -> str:
    """One line for each agent: name, state, since, queue, turn, last tick, why and until when."""
    if not statuses:
        return "no agents yet: create one with `hive spawn NAME`"
    now = time.time()
    return table(
        ("NAME", "STATE", "SINCE", "QUEUED", "LEASED", "RESTARTS", "TICK", "MODEL", "WHY", "SAYS"),
        [
            (
                one.name,
                one.state.value,
                ago(now - one.since),
                str(one.queued),
                str(one.leased),
                str(one.restarts),
                ago(one.last_tick_age_s),
                safe(one.model or "-"),
                _why(one.reason, one.until) or ("in a turn" if one.turn else ""),
                one_line(one.says, 120),
            )
            for one in statuses
        ],
    )


def tree(node: TreeNode) -> str:
    """The whole tree, one line for each supervised thing."""
    now = time.time()
    rows = [
        (
            "  " * depth + one_line(one.path.rpartition("/")[2]),
            one.state.value,
            ago(now - one.since),
            str(one.restarts),
            ago(one.last_tick_age_s),
            _why(one.reason, one.until),
        )
        for depth, one in _walk(node, 0)
    ]
    return table(("TREE", "STATE", "SINCE", "RESTARTS", "TICK", "WHY"), rows)


def _walk(node: TreeNode, depth: int) -> Iterable[tuple[int, TreeNode]]:
    yield depth, node
    for child in node.children:
        yield from _walk(child, depth + 1)


def child(one: Child) -> str:
    """One supervised child, all below it, and its history."""
    parts = [tree(one.node)]
    if one.history:
        parts.append("\n".join(_happening(past) for past in one.history))
    if one.report:
        parts.append(f"Last failure:\n{safe(one.report)}")
    return "\n\n".join(parts)


def _happening(past: Happening) -> str:
    which = f"  #{past.incarnation}" if past.incarnation else ""
    return f"{clock(past.at)}{which}  {one_line(past.text, 200)}"


def audit(entries: Sequence[AuditEntry]) -> str:
    """What operators did, oldest first."""
    if not entries:
        return "nobody has done anything yet"
    return table(
        ("WHEN", "WHO", "WHAT", "TARGET", "DETAIL"),
        [
            (
                clock(e.at),
                one_line(e.who),
                one_line(e.action),
                one_line(e.target),
                one_line(e.detail),
            )
            for e in entries
        ],
    )


def status(whole: Status) -> str:
    """What `hive status` prints."""
    head = f"Hyperhive in {safe(whole.root)}" + (" (demo)" if whole.demo else "")
    notices = [f"! {safe(notice)}" for notice in whole.notices]
    return "\n".join([head, *notices, "", agents(whole.agents), "", tree(whole.tree)])


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
        case StatusChanged(state, reason, until):
            why = _why(reason, until)
            return f"is {state.value}" + (f": {why}" if why else "")
        case GateChanged(gate):
            return f"gate {gate.credential}/{gate.bucket} is {gate.state.value}" + (
                f": {why}" if (why := _why(gate.reason, gate.until)) else ""
            )
        case BudgetReached(budget, share):
            return f"budget of {budget.scope} ({budget.period.value}) is used to {share:.0%}"
        case MessageSent(id_, sender, recipient, body):
            return f"message {id_} {sender} -> {recipient}: {body}"
        case MessageMoved(ids, state, why):
            which = ", ".join(map(str, ids))
            return f"message {which} {state.value}" + (f": {why}" if why else "")
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
