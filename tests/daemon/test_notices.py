from attrs import evolve

from hive.operator.daemon import notices
from hive.supervisors import Snapshot, State
from hive.wire.budgets import BudgetStatus, Period, Unit


def test_nothing_to_say_is_nothing() -> None:
    calm = BudgetStatus("manager", Period.DAY, Unit.USD, 10.0, spent=7.99)
    assert list(notices(0, [calm])) == []


def test_what_waits_and_what_is_nearly_used() -> None:
    tight = BudgetStatus("hive", Period.TOTAL, Unit.TOKENS, 2e6, spent=1_600_000)
    over = BudgetStatus("manager", Period.DAY, Unit.USD, 5.0, spent=5.02)
    assert list(notices(2, [tight, over])) == [
        "2 messages wait for you: see `hive dead`",
        "the hive's budget in total: 1,600,000 tokens of 2,000,000 tokens used",
        "manager's budget of today: $5.02 of $5.00 used",
    ]


def test_a_process_that_does_not_answer() -> None:
    web = Snapshot("hive/web", "web", "worker", State.RUNNING, None, None, 0, 0, 1, None, 1, ())
    silent = evolve(web, note="has not answered for 9 s")
    janitor = evolve(silent, id="janitor", note="last round: removed 3 messages")
    assert list(notices(0, [], [web, janitor])) == []
    assert list(notices(0, [], [janitor, silent])) == ["web has not answered for 9 s"]
