"""What was used is counted once, on its day, whatever order it is told in."""

import math

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hive.budget import ledger as accounting
from hive.budget.ledger import DAY_S, NOTHING, Ledger, UsageEntry, day_of, day_text
from hive.wire.budgets import Unit
from hive.wire.turns import Usage

AGENTS = st.sampled_from(["ann", "bob"])
LEASES = st.integers(0, 3)
USAGES = st.builds(
    Usage,
    *[st.integers(0, 1000)] * 4,
    # Quarters are exact in binary, so that sums may be compared for equality.
    cost_usd=st.integers(0, 400).map(lambda quarters: quarters / 4),
)


def total(usages: list[Usage]) -> Usage:
    sum_ = NOTHING
    for usage in usages:
        sum_ += usage
    return sum_


class LedgerMachine(RuleBasedStateMachine):
    """Any order of beginnings, reports, ends, repeats and days, against a list of growths."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(day=10)
        self.stored: list[UsageEntry] = []
        self.seen: dict[tuple[str, str], Usage] = {}
        self.ended: set[tuple[str, str]] = set()
        self.running: dict[str, str] = {}
        self.growth: list[tuple[int, str, Usage]] = []

    def _grow(self, agent: str, lease: str, usage: Usage) -> None:
        old = self.seen.get((agent, lease), NOTHING)
        new = accounting.highest(old, usage)
        self.seen[agent, lease] = new
        self.growth.append((self.ledger.day, agent, new - old))

    @rule(agent=AGENTS, number=LEASES, usage=USAGES)
    def report(self, agent: str, number: int, usage: Usage) -> None:
        lease = f"{agent}-{number}"
        if (agent, lease) not in self.ended:
            other = self.running.get(agent)
            if other not in (None, lease):
                self.ended.add((agent, str(other)))
            self.running[agent] = lease
            self._grow(agent, lease, usage)
        self.ledger, entries = accounting.turn_reported(self.ledger, agent, lease, usage)
        self.stored += entries

    @rule(agent=AGENTS, number=LEASES, usage=USAGES)
    def end(self, agent: str, number: int, usage: Usage) -> None:
        lease = f"{agent}-{number}"
        if self.running.get(agent) == lease:
            del self.running[agent]
        self.ended.add((agent, lease))
        self._grow(agent, lease, usage)
        self.ledger, entries = accounting.turn_ended(self.ledger, agent, lease, usage)
        self.stored += entries

    @rule(days=st.integers(1, 2))
    def days_pass(self, days: int) -> None:
        self.ledger = accounting.at_day(self.ledger, self.ledger.day + days)

    @rule()
    def restart_of_the_child(self) -> None:
        """Reading the tables changes nothing, whatever part of the entries is not in them yet."""
        half = len(self.stored) // 2
        empty = Ledger(self.ledger.day)
        tables = accounting.loaded(empty, {}, {}, self.stored[:half])
        again = accounting.loaded(self.ledger, tables.today, tables.total, self.stored[half:])
        assert again == self.ledger

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        for agent in ("ann", "bob"):
            everything = [usage for _, name, usage in self.growth if name == agent]
            today = [u for day, name, u in self.growth if (day, name) == (self.ledger.day, agent)]
            assert self.ledger.used_in_total(agent) == total(everything)
            assert self.ledger.used_today(agent) == total(today)
            for unit in Unit:
                amounts = [self.ledger.amount(agent, unit, today=one) for one in (True, False)]
                assert amounts == [accounting.measure(total(u), unit) for u in (today, everything)]

    @invariant()
    def what_is_stored_is_what_ended(self) -> None:
        for agent in ("ann", "bob"):
            stored = [entry.usage for entry in self.stored if entry.agent == agent]
            assert total(stored) == self.ledger.total.get(agent, NOTHING)
            turns = sum(entry.turns for entry in self.stored if entry.agent == agent)
            assert turns == sum(name == agent for name, _ in self.ended)

    def teardown(self) -> None:
        """When all have ended, each day has what was used on it."""
        for agent, lease in list(self.running.items()):
            self.ledger, entries = accounting.turn_ended(self.ledger, agent, lease)
            self.stored += entries
        for day in {day for day, _, _ in self.growth}:
            for agent in ("ann", "bob"):
                used = [u for when, name, u in self.growth if (when, name) == (day, agent)]
                entries = tuple(e for e in self.stored if (e.day, e.agent) == (day, agent))
                assert total([entry.usage for entry in entries]) == total(used)
                assert accounting.merged(entries)[:1] == accounting.merged(
                    accounting.merged(entries)
                )


TestBooks = LedgerMachine.TestCase


def test_a_turn_over_midnight_counts_on_both_days() -> None:
    ledger, _ = accounting.turn_reported(Ledger(day=1), "ann", "turn", Usage(cost_usd=4.0))
    ledger = accounting.at_day(ledger, 2)
    assert ledger.used_today("ann") == NOTHING
    ledger, entries = accounting.turn_ended(ledger, "ann", "turn", Usage(cost_usd=4.5))
    assert entries == (
        UsageEntry(1, "ann", 0, Usage(cost_usd=4.0)),
        UsageEntry(2, "ann", 1, Usage(cost_usd=0.5)),
    )
    assert ledger.today["ann"].usage.cost_usd == 0.5
    assert ledger.total["ann"].cost_usd == 4.5


def test_urgent_once_is_urgent_to_the_end_of_the_turn() -> None:
    ledger, _ = accounting.turn_reported(Ledger(day=1), "ann", "turn", urgent=True)
    ledger, _ = accounting.turn_reported(ledger, "ann", "turn", Usage(1))
    assert ledger.running["ann"].urgent
    ledger, _ = accounting.turn_reported(ledger, "ann", "next", Usage(1))
    assert not ledger.running["ann"].urgent


def test_impossible_numbers_of_a_container_do_no_harm() -> None:
    mad = Usage(-5, 10**30, 0, 0, cost_usd=math.nan)
    ledger, entries = accounting.turn_ended(Ledger(day=1), "ann", "turn", mad)
    assert entries[0].usage == Usage(0, accounting.MOST.output_tokens, 0, 0, 0.0)
    ledger, _ = accounting.turn_ended(ledger, "ann", "next", Usage(cost_usd=math.inf))
    assert ledger.total["ann"].cost_usd == accounting.MOST.cost_usd


def test_what_is_remembered_is_bounded() -> None:
    """By the number of agents, also for a container that invents a lease for each report."""
    ledger = Ledger(day=1)
    for number in range(100):
        ledger, _ = accounting.turn_reported(ledger, "ann", str(number), Usage(1))
    assert len(ledger.running) == 1
    assert len(ledger.ended["ann"]) == accounting.ENDED_KEPT
    assert ledger.used_in_total("ann") == Usage(100)


@given(st.floats(0, 4e9))
def test_a_day_is_a_day_of_utc(epoch: float) -> None:
    day = day_of(epoch)
    assert day * DAY_S <= epoch < (day + 1) * DAY_S


def test_the_day_as_text() -> None:
    assert day_text(day_of(1_000_000_000)) == "2001-09-09"
