"""What agents have used, in finished turns and in those that run: pure functions of values.

Reports of a turn are cumulative, so that a late, doubled or lost one does no harm: what counts is
the most that was ever reported of it.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from attrs import evolve, field, frozen

from hive.wire.budgets import Unit
from hive.wire.turns import Usage

DAY_S = 86_400

ENDED_KEPT = 16
"""How many of an agent's ended turns are remembered, in case their end is told again."""

_MOST_TOKENS = 10**12
MOST = Usage(_MOST_TOKENS, _MOST_TOKENS, _MOST_TOKENS, _MOST_TOKENS, cost_usd=1e9)
"""Containers are not trusted: no turn is believed to have used more than this."""

NOTHING = Usage()


def day_of(epoch: float) -> int:
    """The number of the UTC day; days of Unix time have no leap seconds."""
    return int(epoch // DAY_S)


def day_text(day: int) -> str:
    """The day as the table has it: `2031-05-17`."""
    return datetime.fromtimestamp(day * DAY_S, UTC).strftime("%Y-%m-%d")


@frozen
class Tally:
    """Turns that ended, and what they used."""

    turns: int = 0
    usage: Usage = NOTHING


@frozen
class UsageEntry:
    """What a turn used on one day, to be added to the durable ledger; `turns` is 1 on its last."""

    day: int
    agent: str
    turns: int
    usage: Usage


@frozen
class TurnUsage:
    """One turn so far: `usage` in all, `before` the part of it that is not of today.

    `earlier_days` holds that part by day, unless it is in the ledger already.
    """

    lease: str
    urgent: bool = False
    usage: Usage = NOTHING
    before: Usage = NOTHING
    earlier_days: tuple[UsageEntry, ...] = ()

    @property
    def today(self) -> Usage:
        """What it has used on this day."""
        return self.usage - self.before


@frozen
class Ledger:
    """Everything used so far, by agent. An agent has one running turn at most."""

    day: int
    today: Mapping[str, Tally] = field(factory=dict)
    total: Mapping[str, Usage] = field(factory=dict)
    running: Mapping[str, TurnUsage] = field(factory=dict)
    ended: Mapping[str, tuple[TurnUsage, ...]] = field(factory=dict)

    def used_today(self, agent: str) -> Usage:
        """On this day, with the running turn's part of it."""
        tally, turn = self.today.get(agent), self.running.get(agent)
        used = NOTHING if tally is None else tally.usage
        return used if turn is None else used + turn.today

    def used_in_total(self, agent: str) -> Usage:
        """Since there is a ledger, with the running turn."""
        used, turn = self.total.get(agent, NOTHING), self.running.get(agent)
        return used if turn is None else used + turn.usage

    def amount(self, agent: str, unit: Unit, *, today: bool) -> float:
        """What the agent has used, of this day or in total, as a budget of that unit counts it.

        The same as the two above without building a Usage: it is asked for very often.
        """
        turn, amount = self.running.get(agent), 0.0
        if today:
            if agent in self.today:
                amount += measure(self.today[agent].usage, unit)
            if turn is not None:
                amount += measure(turn.usage, unit) - measure(turn.before, unit)
        else:
            if agent in self.total:
                amount += measure(self.total[agent], unit)
            if turn is not None:
                amount += measure(turn.usage, unit)
        return amount

    @property
    def agents(self) -> frozenset[str]:
        """All that have used anything, or have a turn."""
        return frozenset(self.total) | frozenset(self.running)


def loaded(
    ledger: Ledger,
    today: Mapping[str, Tally],
    total: Mapping[str, Usage],
    unsaved: Iterable[UsageEntry],
) -> Ledger:
    """The ledger with finished turns as they are stored, and those that are not stored yet."""
    ledger = evolve(ledger, today=today, total=total)
    for entry in unsaved:
        ledger = _with_entry(ledger, entry)
    return ledger


def at_day(ledger: Ledger, day: int) -> Ledger:
    """The ledger on another day; what the store has of that day already is not in it."""
    if day == ledger.day:
        return ledger
    running = {}
    for agent, turn in ledger.running.items():
        earlier_days = turn.earlier_days
        if turn.today != NOTHING:
            earlier_days = (*earlier_days, UsageEntry(ledger.day, agent, 0, turn.today))
        running[agent] = evolve(turn, before=turn.usage, earlier_days=earlier_days)
    return evolve(ledger, day=day, today={}, running=running)


def turn_reported(
    ledger: Ledger, agent: str, lease: str, usage: Usage = NOTHING, *, urgent: bool = False
) -> tuple[Ledger, tuple[UsageEntry, ...]]:
    """The ledger after a turn began or has used that much, and the entries to be stored.

    Another turn of this agent must have ended then. A report that comes after the turn's end
    changes nothing; a turn that was urgent once is so to its end.
    """
    if any(turn.lease == lease for turn in ledger.ended.get(agent, ())):
        return ledger, ()
    entries: tuple[UsageEntry, ...] = ()
    turn = ledger.running.get(agent)
    if turn is not None and turn.lease != lease:
        ledger, entries = turn_ended(ledger, agent, turn.lease)
        turn = None
    turn = turn or TurnUsage(lease)
    turn = evolve(turn, usage=highest(turn.usage, usage), urgent=turn.urgent or urgent)
    return evolve(ledger, running={**ledger.running, agent: turn}), entries


def turn_ended(
    ledger: Ledger, agent: str, lease: str, usage: Usage = NOTHING
) -> tuple[Ledger, tuple[UsageEntry, ...]]:
    """The ledger after a turn ended, and the entries to be stored.

    `usage` counts if it is more than was reported before. Of an end that is reported again only
    what is new is added.
    """
    turn, again = ledger.running.get(agent), False
    others = ledger.ended.get(agent, ())
    if turn is None or turn.lease != lease:
        turn = next((old for old in others if old.lease == lease), None)
        again = turn is not None
        turn = turn or TurnUsage(lease)
        running = ledger.running
    else:
        running = {name: one for name, one in ledger.running.items() if name != agent}
    turn = evolve(turn, usage=highest(turn.usage, usage))
    entries = (*turn.earlier_days, UsageEntry(ledger.day, agent, 0 if again else 1, turn.today))
    entries = tuple(one for one in entries if one.turns or one.usage != NOTHING)
    turn = evolve(turn, before=turn.usage, earlier_days=())
    kept = (*(old for old in others if old.lease != lease), turn)[-ENDED_KEPT:]
    ledger = evolve(ledger, running=running, ended={**ledger.ended, agent: kept})
    for entry in entries:
        ledger = _with_entry(ledger, entry)
    return ledger, entries


def _with_entry(ledger: Ledger, entry: UsageEntry) -> Ledger:
    """The ledger with an entry added to the totals, and to today's if it is of today."""
    agent = entry.agent
    total = {**ledger.total, agent: ledger.total.get(agent, NOTHING) + entry.usage}
    today = ledger.today
    if entry.day == ledger.day:
        old = today.get(agent, Tally())
        tally = Tally(old.turns + entry.turns, old.usage + entry.usage)
        today = {**today, agent: tally}
    return evolve(ledger, today=today, total=total)


def merged(entries: Iterable[UsageEntry]) -> tuple[UsageEntry, ...]:
    """One entry for each day and agent."""
    sums: dict[tuple[int, str], UsageEntry] = {}
    for one in entries:
        old = sums.get((one.day, one.agent))
        if old is not None:
            one = evolve(one, turns=old.turns + one.turns, usage=old.usage + one.usage)
        sums[one.day, one.agent] = one
    return tuple(sums.values())


def measure(usage: Usage, unit: Unit) -> float:
    """The part of a usage that a budget of that unit counts."""
    return usage.tokens if unit is Unit.TOKENS else usage.cost_usd


def highest(known: Usage, reported: Usage) -> Usage:
    """Field by field the larger of the two, at most MOST."""
    return known.merged(reported.merged(MOST, min), max)
