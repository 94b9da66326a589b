"""Who must wait, who may use a reserve, and what is announced: pure."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hive.budget import HIVE, THRESHOLDS, Budget, Ledger, policy
from hive.budget import ledger as accounting
from hive.wire.budgets import Period, SetBudget, Unit
from hive.wire.states import Condition
from hive.wire.turns import Usage

NAMES = ("ann", "bob")
DAY = 20_000

AMOUNTS = st.integers(1, 50).map(float)
BUDGETS = st.lists(
    st.builds(
        Budget,
        scope=st.sampled_from([HIVE, *NAMES]),
        period=st.sampled_from(Period),
        unit=st.sampled_from(Unit),
        amount=AMOUNTS,
        reserve=st.integers(0, 10).map(float),
    ),
    unique_by=lambda budget: budget.key,
    max_size=6,
).map(tuple)


@st.composite
def ledgers(draw: st.DrawFn) -> Ledger:
    """A day before and today, ended and running turns of both agents."""
    usages = st.builds(Usage, st.integers(0, 30), cost_usd=st.integers(0, 30).map(float))
    ledger = Ledger(DAY - 1)
    for day in (DAY - 1, DAY):
        ledger = accounting.at_day(ledger, day)
        for name in NAMES:
            for number in range(draw(st.integers(0, 2))):
                ledger, _ = accounting.turn_ended(ledger, name, f"{day}-{number}", draw(usages))
    for name in NAMES:
        if draw(st.booleans()):
            urgent = draw(st.booleans())
            ledger, _ = accounting.turn_reported(ledger, name, "now", draw(usages), urgent=urgent)
    return ledger


def used(*parts: tuple[str, Usage], day: int = DAY) -> Ledger:
    ledger = Ledger(day)
    for number, (agent, usage) in enumerate(parts):
        ledger, _ = accounting.turn_ended(ledger, agent, str(number), usage)
    return ledger


@given(BUDGETS, ledgers(), st.sampled_from(NAMES), st.booleans())
def test_nobody_starts_above_a_cap_and_nobody_waits_below(
    budgets: tuple[Budget, ...], ledger: Ledger, agent: str, urgent: bool
) -> None:
    mine = [budget for budget in budgets if budget.scope in (HIVE, agent)]
    over = [
        budget
        for budget in mine
        if policy.spent(budget, ledger) >= budget.amount + (budget.reserve if urgent else 0)
    ]
    held = policy.hold(budgets, ledger, agent, urgent=urgent)
    assert (held is not None) == bool(over)
    if held is not None:
        assert held.condition is Condition.OVER_BUDGET
        by_hand = any(budget.period is Period.TOTAL for budget in over)
        assert held.until == (None if by_hand else (DAY + 1) * 86_400)


@given(BUDGETS, ledgers(), st.sampled_from(NAMES))
def test_an_urgent_message_waits_only_if_others_do(
    budgets: tuple[Budget, ...], ledger: Ledger, agent: str
) -> None:
    if policy.hold(budgets, ledger, agent, urgent=True):
        assert policy.hold(budgets, ledger, agent)
        assert policy.why_not_urgent(budgets, ledger, agent)
    reserves = [budget.reserve for budget in budgets if budget.touches(agent)]
    if not any(reserves):
        assert policy.hold(budgets, ledger, agent) == policy.hold(
            budgets, ledger, agent, urgent=True
        )
        assert policy.why_not_urgent(budgets, ledger, agent)


@given(BUDGETS, ledgers())
def test_who_must_stop_is_who_must_not_start(budgets: tuple[Budget, ...], ledger: Ledger) -> None:
    assert policy.agents_over(budgets, ledger) == {
        agent
        for agent, turn in ledger.running.items()
        if policy.hold(budgets, ledger, agent, urgent=turn.urgent)
    }


@given(BUDGETS, ledgers(), st.sampled_from(NAMES))
def test_the_next_day_frees_day_budgets_only(
    budgets: tuple[Budget, ...], ledger: Ledger, agent: str
) -> None:
    tomorrow = accounting.at_day(ledger, DAY + 1)
    totals = tuple(budget for budget in budgets if budget.period is Period.TOTAL)
    assert policy.hold(budgets, tomorrow, agent) == policy.hold(totals, tomorrow, agent)
    assert (policy.hold(totals, tomorrow, agent) is None) == (
        policy.hold(totals, ledger, agent) is None
    )


@given(BUDGETS, ledgers(), st.sampled_from(NAMES))
def test_raising_what_is_used_up_frees(
    budgets: tuple[Budget, ...], ledger: Ledger, agent: str
) -> None:
    assume(policy.hold(budgets, ledger, agent))
    raised = tuple(
        Budget(b.scope, b.period, b.unit, max(b.amount, policy.spent(b, ledger) + 1), b.reserve)
        for b in budgets
    )
    assert policy.hold(raised, ledger, agent) is None


def test_the_reason_names_the_budget_and_the_amounts() -> None:
    ledger = used(("manager", Usage(2_000_000, cost_usd=5.02)))
    day = Budget("manager", Period.DAY, Unit.USD, 5.0, reserve=0.01)
    total = Budget(HIVE, Period.TOTAL, Unit.TOKENS, 1_999_999)
    held = policy.hold([day], ledger, "manager")
    assert held and held.reason == "budget of manager for the day is used up: $5.02 of $5.00"
    assert held.until == (DAY + 1) * 86_400
    held = policy.hold([day], ledger, "manager", urgent=True)
    assert held and held.reason.endswith("$5.02 of $5.00 and a reserve of $0.01")
    held = policy.hold([day, total], ledger, "manager")
    assert held and held.until is None
    assert held.reason == (
        "total budget of the hive is used up: 2,000,000 tokens of 1,999,999 tokens"
    )
    assert policy.hold([day], ledger, "worker") is None


def test_cached_tokens_count() -> None:
    ledger = used(("ann", Usage(1, 2, 3, 4)))
    assert policy.spent(Budget("ann", Period.DAY, Unit.TOKENS, 5), ledger) == 10


def test_a_total_budget_does_not_count_what_was_before() -> None:
    ledger = used(("ann", Usage(cost_usd=7.0)))
    budget = Budget("ann", Period.TOTAL, Unit.USD, 5.0, earlier=6.0)
    assert policy.spent(budget, ledger) == 1.0


# --- urgent ------------------------------------------------------------------------------------


def test_why_a_message_must_not_be_urgent() -> None:
    with_reserve = Budget("ann", Period.DAY, Unit.USD, 5.0, reserve=1.0)
    assert policy.why_not_urgent([with_reserve], used(), "ann") is None
    over = used(("ann", Usage(cost_usd=5.5)))
    assert policy.why_not_urgent([with_reserve], over, "ann") is None
    text = policy.why_not_urgent([with_reserve], used(("ann", Usage(cost_usd=6.0))), "ann")
    assert text and "$6.00 of $5.00 and a reserve of $1.00" in text and "hive budget set" in text
    text = policy.why_not_urgent([with_reserve], used(), "bob")
    assert text and "no budget of bob or of the hive has a reserve" in text
    no_reserve = Budget(HIVE, Period.DAY, Unit.USD, 5.0)
    text = policy.why_not_urgent([with_reserve, no_reserve], over, "ann")
    assert text and "budget of the hive" in text


# --- announcements -----------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 12).map(float)), min_size=1, max_size=12),
    st.sampled_from(Period),
)
def test_each_threshold_is_announced_once_in_a_period(
    steps: list[tuple[int, float]], period: Period
) -> None:
    """Days that pass (0 mostly) and dollars that are spent then."""
    budget = Budget("ann", period, Unit.USD, 10.0)
    ledger, announced = Ledger(DAY), {}
    told: list[tuple[int, float]] = []
    expected: set[tuple[int, float]] = set()
    for number, (days, dollars) in enumerate(steps):
        ledger = accounting.at_day(ledger, ledger.day + days // 6)
        ledger, _ = accounting.turn_ended(ledger, "ann", str(number), Usage(cost_usd=dollars))
        news, announced = policy.crossed([budget], ledger, announced)
        which = ledger.day if period is Period.DAY else 0
        told += [(which, share) for _, share in news]
        share = policy.spent(budget, ledger) / 10.0
        expected |= {(which, one) for one in THRESHOLDS if share >= one}
    assert sorted(told) == sorted(expected)  # a list: nothing twice


def test_a_raised_budget_is_announced_anew() -> None:
    ledger = used(("ann", Usage(cost_usd=9.0)))
    small, large = (Budget("ann", Period.DAY, Unit.USD, amount) for amount in (10.0, 100.0))
    news, announced = policy.crossed([small], ledger, {})
    assert [share for _, share in news] == [0.8]
    news, announced = policy.crossed([large], ledger, announced)
    assert news == ()
    ledger, _ = accounting.turn_ended(ledger, "ann", "much", Usage(cost_usd=91.0))
    news, announced = policy.crossed([large], ledger, announced)
    assert [share for _, share in news] == [0.8, 1.0]
    news, announced = policy.crossed([], ledger, announced)  # cleared,
    news, _ = policy.crossed([small], ledger, announced)  # and set again
    assert [share for _, share in news] == [0.8, 1.0]


# --- what the operator may set -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (SetBudget("eve", Period.DAY, Unit.USD, 5.0), "no agent 'eve'.*'hive'.*one of ann, bob"),
        (SetBudget("ann", Period.DAY, Unit.USD, 0.0), "amount of 0 is no budget.*more than 0"),
        (SetBudget("ann", Period.DAY, Unit.USD, -1.0), "amount of -1"),
        (SetBudget("ann", Period.DAY, Unit.USD, float("inf")), "amount of inf"),
        (SetBudget("ann", Period.DAY, Unit.USD, float("nan")), "amount of nan"),
        (SetBudget("ann", Period.DAY, Unit.USD, 1.0, -0.5), "reserve of -0.5.*0 up to"),
        (SetBudget("ann", Period.DAY, Unit.USD, 1.0, float("nan")), "reserve of nan"),
        (SetBudget("ann", Period.DAY, Unit.USD, None), "ann has no budget in usd per day"),
    ],
)
def test_what_cannot_be_set_says_what_can(order: SetBudget, message: str) -> None:
    other = Budget("ann", Period.TOTAL, Unit.USD, 1.0)
    with pytest.raises(ValueError, match=message):
        policy.check(order, NAMES, [other])


def test_what_can_be_set() -> None:
    gone = Budget("eve", Period.DAY, Unit.USD, 1.0)
    policy.check(SetBudget(HIVE, Period.DAY, Unit.TOKENS, 1.0, 1.0), (), [])
    policy.check(SetBudget("eve", Period.DAY, Unit.USD, None), NAMES, [gone])


def test_amounts_as_text() -> None:
    texts = [Unit.USD.text(x) for x in (0, 5.02, 1234.5, 0.0004, 0.05, 1e-9)]
    assert texts == ["$0.00", "$5.02", "$1,234.50", "$0.0004", "$0.05", "$0"]
    assert Unit.TOKENS.text(2e6) == "2,000,000 tokens"
