"""What the operator must see first, beside the gates: pure text of values."""

from collections.abc import Iterator, Sequence

from hive.supervisors import Snapshot
from hive.wire.budgets import BudgetStatus

WARN_SHARE = 0.8

CHILD_PROCESSES = ("web", "demo")
"""Parts of the tree whose note says that their process is silent."""


def notices(
    held: int, budgets: Sequence[BudgetStatus], parts: Sequence[Snapshot] = ()
) -> Iterator[str]:
    """One line each: messages that wait for the operator, budgets that are nearly or quite used,
    processes that do not answer."""
    for part in parts:
        if part.id in CHILD_PROCESSES and part.note:
            yield f"{part.id} {part.note}"
    if held:
        wait = "1 message waits" if held == 1 else f"{held} messages wait"
        yield f"{wait} for you: see `hive dead`"
    for one in budgets:
        if one.spent >= WARN_SHARE * one.amount:
            whose = "the hive's" if one.scope == "hive" else f"{one.scope}'s"
            period = "budget of today" if one.period == "day" else "budget in total"
            used = f"{one.unit.text(one.spent)} of {one.unit.text(one.amount)}"
            yield f"{whose} {period}: {used} used"
