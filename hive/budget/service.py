"""The owner of budgets: what agents use and may use, in memory to decide, in the store to last."""

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial

import apsw
import trio

from hive.budget import ledger, policy, rows
from hive.budget.ledger import Ledger, Tally, UsageEntry
from hive.budget.policy import HIVE, Announced, Budget
from hive.directory import Directory
from hive.gate import Hold
from hive.store import Store, StoreClosed, StoreError, StoreStuck
from hive.supervisors import Context
from hive.wire.budgets import BudgetReached, BudgetStatus, SetBudget, Spent
from hive.wire.events import Event
from hive.wire.turns import Usage

log = logging.getLogger(__name__)

CHECK_S = 60.0
"""The wall clock may be set at any time: a new day is noticed at most this late."""

SAVE_S = 10.0


class BudgetService:
    """All budgets of a hive. The methods belong to Trio's thread; usage is cumulative for a turn.

    `publish(agent, event)` shows a BudgetReached, `changed()` is called when somebody's hold may
    have begun or ended, `now()` is the wall clock in epoch seconds.
    """

    def __init__(
        self,
        store: Store,
        directory: Directory,
        *,
        publish: Callable[[str | None, Event], object],
        changed: Callable[[], object],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._directory = directory
        self._publish = publish
        self._changed = changed
        self._now = now
        self._budgets: tuple[Budget, ...] = ()
        self._ledger = Ledger(ledger.day_of(now()))
        self._announced: Announced = {}
        self._read_day: int | None = None
        self._unsaved: tuple[UsageEntry, ...] = ()
        self._queued: list[tuple[UsageEntry, ...]] = []

    async def run(self, ctx: Context) -> None:
        """The supervised child: load, then begin each day anew. Raises StoreError only at first."""
        await self.load()
        ctx.ready(self)
        while True:
            ctx.tick()
            now = self._now()
            await trio.sleep(min(CHECK_S, ledger.DAY_S - now % ledger.DAY_S + 0.01))
            try:
                await self._follow_day()
                await self._save()
            except StoreError as error:
                log.warning("budgets: %s; trying again in %.0f s", error, CHECK_S)

    async def load(self) -> None:
        """Read the tables; to be called once before anything else. Raises StoreError."""
        self._follow_clock()
        await self._read()
        _, self._announced = policy.crossed(self._budgets, self._ledger, {})

    # --- turns ---------------------------------------------------------------------------------

    def turn_began(self, agent: str, lease: str, *, urgent: bool = False) -> None:
        """Note that a turn begins; with `urgent` it may use the reserve from now on.

        To be called again when an urgent message has joined a turn that runs.
        """
        self._report(agent, lease, Usage(), urgent)

    def spending(self, agent: str, lease: str, usage: Usage) -> bool:
        """Note what a running turn has used so far; returns whether it must be interrupted now.

        Others may have to stop as well, if a budget of the hive is used up: see agents_over().
        """
        self._report(agent, lease, usage, False)
        turn = self._ledger.running.get(agent)
        return turn is not None and self.hold(agent, turn.urgent) is not None

    def agents_over(self) -> frozenset[str]:
        """The agents whose running turn must be interrupted."""
        self._follow_clock()
        return policy.agents_over(self._budgets, self._ledger)

    async def charge(self, agent: str, lease: str, usage: Usage) -> None:
        """Add what a turn that ended has used; it is in the store when this returns.

        It counts at once, also when this raises StoreError or StoreClosed because it could not be
        written: it is written later then. Called again, it adds only what is new. Raises
        StoreClosed as well, with nothing counted, before the tables are loaded.
        """
        if self._read_day is None:
            await trio.lowlevel.checkpoint()
            raise StoreClosed("the budgets are not loaded yet: the hive is starting; try again")
        self._follow_clock()
        self._ledger, entries = ledger.turn_ended(self._ledger, agent, lease, usage)
        self._note(entries)
        await self._save()

    # --- decisions -----------------------------------------------------------------------------

    def hold(self, agent: str, urgent: bool = False) -> Hold | None:
        """Why the agent must not begin a turn, or one for an urgent message; None: it may."""
        self._follow_clock()
        return policy.hold(self._budgets, self._ledger, agent, urgent=urgent)

    def urgent_allowed(self, agent: str) -> str | None:
        """Why a message to this agent must not be urgent and what to do; None: it may be."""
        self._follow_clock()
        return policy.why_not_urgent(self._budgets, self._ledger, agent)

    # --- the operator --------------------------------------------------------------------------

    async def set(self, order: SetBudget) -> None:
        """Set a budget, or with amount None remove it.

        A total one counts what turns that end after it was first set have used.
        Raises ValueError, with what is allowed, for a budget that cannot be, and StoreError.
        """
        policy.check(order, self._directory.names(), self._budgets)

        def write(connection: apsw.Connection) -> tuple[Budget, ...]:
            rows.put(connection, order, self._now())
            return rows.budgets(connection)

        await self._store.write(write, self._take_budgets)

    def statuses(self) -> tuple[BudgetStatus, ...]:
        """Every budget and what is spent of it; the hive's first."""
        self._follow_clock()
        budgets = sorted(self._budgets, key=lambda budget: (budget.scope != HIVE, budget.key))
        return tuple(policy.status(budget, self._ledger) for budget in budgets)

    def spent_today(self) -> tuple[Spent, ...]:
        """What each agent has used today (UTC), by name, running turns included."""
        self._follow_clock()
        since = float(self._ledger.day * ledger.DAY_S)
        spent = [
            Spent(
                agent,
                since,
                self._ledger.today.get(agent, Tally()).turns,
                self._ledger.used_today(agent),
            )
            for agent in sorted(self._ledger.agents)
        ]
        return tuple(one for one in spent if one.turns or one.usage != Usage())

    # --- inside --------------------------------------------------------------------------------

    def _report(self, agent: str, lease: str, usage: Usage, urgent: bool) -> None:
        self._follow_clock()
        self._ledger, entries = ledger.turn_reported(
            self._ledger, agent, lease, usage, urgent=urgent
        )
        self._note(entries)

    def _follow_clock(self) -> None:
        self._ledger = ledger.at_day(self._ledger, ledger.day_of(self._now()))

    async def _follow_day(self) -> None:
        """After midnight, or a jump of the clock: day budgets begin anew, or go on."""
        self._follow_clock()
        if self._read_day != self._ledger.day:
            self._changed()
            await self._read()
            self._note()
            self._changed()

    def _note(self, entries: Iterable[UsageEntry] = ()) -> None:
        """The ledger has changed, by these entries or by a running turn."""
        self._unsaved = ledger.merged((*self._unsaved, *entries))
        news, self._announced = policy.crossed(self._budgets, self._ledger, self._announced)
        for budget, share in news:
            scope = None if budget.scope == HIVE else budget.scope
            self._publish(scope, BudgetReached(policy.status(budget, self._ledger), share))
        if any(share >= 1.0 for _, share in news):
            self._changed()

    async def _save(self) -> None:
        """Write what the store does not have; raises StoreError, StoreClosed, and keeps it."""
        if not self._unsaved:
            await trio.lowlevel.checkpoint()
            return
        batch, self._unsaved = self._unsaved, ()
        self._queued.append(batch)
        write = partial(rows.add, entries=batch)
        try:
            # Shielded: of a write that is cancelled nobody would know whether it will be done.
            with trio.move_on_after(SAVE_S, shield=True) as scope:
                await self._store.write(write, lambda _: self._queued.remove(batch))
        except Exception:
            self._queued.remove(batch)
            self._unsaved = ledger.merged((*batch, *self._unsaved))
            raise
        if scope.cancelled_caught:
            raise StoreStuck(f"what turns used is not written after {SAVE_S:.0f} s; it may be yet")

    async def _read(self) -> None:
        """Take over the tables; entries that are behind this in the writer's queue come on top."""
        day = self._ledger.day

        def take(stored: rows.StoredBudgets) -> None:
            missing = (*(entry for batch in self._queued for entry in batch), *self._unsaved)
            self._budgets = stored.budgets
            if day == self._ledger.day:
                self._ledger = ledger.loaded(self._ledger, stored.today, stored.total, missing)
                self._read_day = day

        await self._store.write(partial(rows.load, day=day), take)

    def _take_budgets(self, budgets: tuple[Budget, ...]) -> None:
        self._budgets = budgets
        self._note()
        self._changed()
