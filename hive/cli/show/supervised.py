"""The supervisor tree, one child with its history, and what operators did."""

import time
from collections.abc import Iterable, Sequence

from hive.cli.show.text import ago, clock, one_line, safe, table, why
from hive.wire.audit import AuditEntry
from hive.wire.tree import Child, Happening, TreeNode


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
            why(one.reason, one.until),
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
    """What operators did, and what came of it, oldest first."""
    if not entries:
        return "nobody has done anything yet"
    return table(
        ("WHEN", "WHO", "WHAT", "TARGET", "OUTCOME", "DETAIL"),
        [
            (
                clock(e.at),
                one_line(e.who),
                one_line(e.action),
                one_line(e.target),
                one_line(f"{e.outcome.value}: {e.why}" if e.why else e.outcome.value, 100),
                one_line(e.detail),
            )
            for e in entries
        ],
    )
