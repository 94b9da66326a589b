"""Gates and budgets together: who must wait, and whose turn must end."""

import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence

import trio

from hive.agents.agent import Agent, Publish
from hive.budget import BudgetService
from hive.directory import credential_key
from hive.gate import Client, GateService, Hold
from hive.link import LinkClosed
from hive.store import StoreError
from hive.supervisors import Context
from hive.wire.events import Event
from hive.wire.harness import Interrupt
from hive.wire.messages import MessageMoved, MessageSent
from hive.wire.turns import ApiSignal, Spending, TurnReport, Usage

TICK_S = 5.0
PUSH_S = 5.0
LAST_CHARGE_S = 5.0

log = logging.getLogger(__name__)


class GatesAndBudgets:
    """What gates and budgets decide together, for one agent at a time (see WorkLimits).

    `agents` are those that are supervised now, by name; a live view.
    """

    def __init__(
        self, gates: GateService, budgets: BudgetService, agents: Mapping[str, Agent]
    ) -> None:
        self.gates, self.budgets = gates, budgets
        self._agents = agents
        self._to_interrupt: set[str] = set()
        self._interrupted: dict[str, str] = {}
        """The lease whose turn each agent was told to end last."""
        self._work = trio.Event()
        self._ended: deque[tuple[str, str, Usage]] = deque()
        """Turns to be charged, at most one for each agent at a time."""

    async def run(self, ctx: Context) -> None:
        """The supervised child: writes what turns have used, ends those that are over a budget."""
        ctx.ready()
        try:
            while True:
                ctx.tick()
                with trio.move_on_after(TICK_S):
                    await self._work.wait()
                self._work = trio.Event()
                await self._charge()
                await self._interrupt()
        finally:
            with trio.move_on_after(LAST_CHARGE_S, shield=True):
                await self._charge()

    async def _charge(self) -> None:
        while self._ended:
            try:
                await self.budgets.charge(*self._ended.popleft())
            except StoreError as error:  # it counts, and is written with the next one
                log.warning("what a turn used is not written yet: %s", error)

    async def _interrupt(self) -> None:
        while self._to_interrupt:
            agent = self._agents.get(self._to_interrupt.pop())
            if agent is None or agent.peer is None or agent.lease is None:
                continue
            self._interrupted[agent.name] = agent.lease
            with trio.move_on_after(PUSH_S):
                try:
                    await agent.peer.push(Interrupt(over_budget=True))
                except LinkClosed:
                    del self._interrupted[agent.name]  # it is told when it has used more

    async def join(self, agent: Agent) -> None:
        """Wait until the gate of the agent's credential works; raises GateUnavailable."""
        await self.gates.ensure(credential_key(agent.record))

    def hold(self, agent: Agent) -> Hold | None:
        """Return why the agent must not take work now, None if it may; never waits."""
        key = credential_key(agent.record)
        return _budget(self.budgets, agent) or self.gates.hold(key, agent.record.model, agent.name)

    async def admit(self, agent: Agent) -> Hold | None:
        """Return why the agent must not lease now, None if it may, be it to try a closed gate."""
        if hold := _budget(self.budgets, agent):
            return hold
        return await self.gates.admit(credential_key(agent.record), agent.name)

    def only_urgent(self, agent: Agent) -> bool:
        """Return whether nothing but urgent messages may be worked on, out of a reserve."""
        return self.budgets.hold(agent.name) is not None

    def turn_began(self, agent: Agent, lease: str, *, urgent: bool) -> None:
        """Note that the agent works on this lease; `urgent` if one of its messages is."""
        self.budgets.turn_began(agent.name, lease, urgent=urgent)

    def signal(self, agent: Agent, signal: ApiSignal) -> None:
        """Take what the API said in the middle of a turn; never waits."""
        self.gates.signal(credential_key(agent.record), agent.name, signal)

    def spending(self, agent: Agent, spending: Spending) -> None:
        """Count what a running turn has used, and end turns that are over a budget; never waits."""
        self.budgets.spending(agent.name, spending.lease, spending.usage)
        for name in self.budgets.agents_over():
            if (other := self._agents.get(name)) and self._interrupted.get(name) != other.lease:
                self._to_interrupt.add(name)
                self._work.set()

    async def turn_ended(self, agent: Agent, lease: str, report: TurnReport) -> None:
        """Count a turn that ended; returns when those who must wait because of it know."""
        # Counted at once; written beside the acknowledgement, which then waits for one commit less.
        self.budgets.spending(agent.name, lease, report.usage)
        self._ended.append((agent.name, lease, report.usage))
        self._work.set()
        await self.gates.turn_ended(credential_key(agent.record), agent.name, lease, report)
        agent.look_again()

    async def new_login(self, key: str) -> None:
        """Let the agents behind this credential key try again: somebody has logged in."""
        await self.gates.new_login(key)
        recheck_all(self._agents)

    def changed(self, name: str) -> None:
        """Look at the agent again: what waits for it has changed."""
        if agent := self._agents.get(name):
            self.gates.changed(credential_key(agent.record))
            if agent.hold is not None:
                agent.look_again()

    def watching(self, publish: Publish) -> Publish:
        """Return a `publish` that also looks at each agent whose queue the event has changed."""

        def shown(agent: str | None, event: Event, at: float | None = None, /) -> None:
            publish(agent, event, at)
            match event:
                case MessageSent(recipient=name):
                    self.changed(name)
                case MessageMoved() if agent is not None:
                    self.changed(agent)

        return shown


def recheck_all(agents: Mapping[str, Agent]) -> None:
    """Let every agent ask again whether it may work: something was decided."""
    for agent in tuple(agents.values()):
        agent.look_again()


def gate_decided(agents: Mapping[str, Agent], name: str, _: Hold | None) -> None:
    """Let an agent of which a gate has decided ask whether it may work: budgets count too."""
    if agent := agents.get(name):
        agent.look_again()


def gate_clients(
    agents: Mapping[str, Agent], budgets: BudgetService, credential: str
) -> Sequence[Client]:
    """Return the agents that use the credential, as its gate sees them.

    For one that cannot work now, nothing is queued.
    """
    return [
        Client(
            agent.name,
            agent.record.model,
            agent.counts.queued if _could_work(budgets, agent) else 0,
            time.time() - (trio.current_time() - agent.lease_since),
            busy=agent.lease is not None,
        )
        for agent in agents.values()
        if credential_key(agent.record) == credential
    ]


def _could_work(budgets: BudgetService, agent: Agent) -> bool:
    free = agent.peer is not None and agent.parked is None
    return free and _budget(budgets, agent) is None


def _budget(budgets: BudgetService, agent: Agent) -> Hold | None:
    return budgets.hold(agent.name, urgent=agent.counts.urgent > 0)
