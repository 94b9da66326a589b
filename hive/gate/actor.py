"""The actor of one credential's gate: takes events in order, and does what its value says.

Its handlers never wait: a decision takes effect at once, and the store is written beside them.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import trio
from attrs import define, field, frozen

from hive.actors import DEFERRED, Actor, Exit, Slot, Timer
from hive.gate.gate import Client, Gate, GateSettings, World
from hive.gate.holds import Hold, hold_of, next_look, statuses
from hive.gate.policy import Admit, GateEvent, Look, TurnEnd, step
from hive.gate.rows import GateTable, Row, row_of
from hive.store import StoreError
from hive.supervisors import Backoff
from hive.wire.daemon import Notice
from hive.wire.events import Event
from hive.wire.gates import GateChanged, GateCommand, GateState, GateStatus
from hive.wire.states import Condition

RECHECK_S = 30.0
"""A sleep is never longer, because the wall clock may jump."""
GATHER_S = 0.1
"""News of agents that come, go or get work are looked at together."""
SAVE_AGAIN = Backoff(initial=1.0, min=2.0, max=60.0)
LAST_SAVE_S = 1.5
"""How long an actor that ends waits for its last write."""
MOST_PENDING = 256


@define(eq=False)
class GateMemory:
    """What outlives the actor of a gate, so that the next one goes on where it ended.

    Only the actor changes `gate`; everybody may look at it. `pending` are events that have not been
    decided yet, whether an actor runs or not; the oldest are lost beyond MOST_PENDING. `denied` are
    the agents that were refused without the actor and wait to be told, `saved` is what the table
    holds, by bucket.
    """

    gate: Gate
    saved: dict[str, Row] = field(factory=dict)
    pending: deque[GateEvent] = field(factory=lambda: deque(maxlen=MOST_PENDING))
    denied: set[str] = field(factory=set)
    up: trio.Event = field(factory=trio.Event)
    """Set while its actor works; replaced when that ends."""
    look_queued: bool = False
    """Whether a look at the agents is on its way to the actor already."""


@frozen
class GateDependencies:
    """What the hive gives to every gate; all callables are quick and do not raise.

    `clients` tells who uses a credential and is read at each decision. `apply` tells an agent its
    hold, None that it may work. `publish` shows an event to those who watch; its first argument is
    the agent that it is about, None for the whole hive. `now` is the wall clock in epoch seconds,
    `chance` gives numbers in [0, 1).
    """

    table: GateTable
    clients: Callable[[str], Sequence[Client]]
    apply: Callable[[str, Hold | None], object]
    publish: Callable[[str | None, Event], object]
    settings: GateSettings
    now: Callable[[], float]
    chance: Callable[[], float]

    def world(self, credential: str) -> World:
        """What a decision about this credential depends on, now."""
        clients = tuple(self.clients(credential))
        return World(clients, self.now(), self.chance(), self.settings)


@frozen
class DecidePending:
    """A cast to the actor: there is something in `pending`. It is no event of its own."""


class GateActor(Actor):
    """The gate of one credential at work.

    Calls are Admit and TurnEnd (answer: the agent's Hold or None), and GateCommand.
    """

    with_helpers = True

    def __init__(self, memory: GateMemory, dependencies: GateDependencies) -> None:
        self._memory = memory
        self._dependencies = dependencies
        self._credential = memory.gate.credential
        self._applied: dict[str, Hold | None] = {}
        self._shown: dict[str, GateStatus] = {}
        self._changed = trio.Event()
        self._timer: Timer | None = None
        self._due: float | None = None

    async def init(self) -> None:
        """Take up the last value, decide what came meanwhile, and tell all agents what holds."""
        self._memory.look_queued = False
        self.helpers.start_soon(self._keep, name=f"keeper of gate {self._credential}")
        self._do(Look(), always=True)
        self._memory.up.set()

    async def handle_call(self, message: Admit | TurnEnd | GateCommand, reply: Slot[Any]) -> Any:
        """Decide, and answer with the agent's Hold, None if it may work; a GateCommand gets None.

        A GateCommand that cannot be raises ValueError at its caller; the actor goes on.
        """
        try:
            world = self._do(message)
        except ValueError as error:  # the operator's command was wrong, not the gate
            if not isinstance(message, GateCommand):
                raise
            reply.fail(error)
            return DEFERRED
        if isinstance(message, GateCommand):
            return None
        return hold_of(self._memory.gate, world.client(message.agent), world.now)

    async def handle_cast(self, message: Look | DecidePending) -> None:
        """Decide what is pending; a Look comes a moment later, together with others."""
        if isinstance(message, Look):
            self.send_after(GATHER_S, message)
        else:
            self._do(None)

    async def handle_info(self, message: object) -> None:
        """A look, because agents changed or because time has come."""
        if isinstance(message, Look):
            self._memory.look_queued = False
            self._do(message, always=True)
        elif isinstance(message, _Wake):
            self._due = None
            self._do(Look())

    async def terminate(self, how: Exit) -> None:
        """What is not kept yet is kept now, if the store still works."""
        self._memory.up = trio.Event()
        with trio.move_on_after(LAST_SAVE_S):
            try:
                await self._save()
            except StoreError:
                pass  # said by the keeper before; a restart of this actor alone loses nothing

    def status(self) -> object:
        """The gate, for a probe."""
        return self._memory.gate

    # -- one event after the other --------------------------------------------------------------

    def _do(self, event: GateEvent | None, *, always: bool = False) -> World:
        """Decide what is pending, then this event, and do what follows.

        With `always` the agents are told although the gate is as before: they may be others.
        """
        memory, before = self._memory, self._memory.gate
        world = self._dependencies.world(self._credential)
        while memory.pending:
            memory.gate = step(memory.gate, memory.pending.popleft(), world)
        if event is not None:
            memory.gate = step(memory.gate, event, world)
        if always or memory.denied or memory.gate != before:
            self._apply(world)
            self._changed.set()
        self._arm(world)
        return world

    def _apply(self, world: World) -> None:
        """Agents first, then those who watch."""
        gate, denied = self._memory.gate, self._memory.denied
        applied = {}
        for client in world.clients:
            name = client.name
            hold = applied[name] = hold_of(gate, client, world.now)
            if name in denied or name not in self._applied or self._applied[name] != hold:
                self._dependencies.apply(name, hold)
        self._applied = applied
        denied.clear()
        self._show({one.bucket: one for one in statuses(gate, world)}, world.now)

    def _show(self, shown: dict[str, GateStatus], now: float) -> None:
        """Publish what is new; a bucket that nobody has heard of is open."""
        for name in self._shown.keys() - shown.keys():
            shown[name] = GateStatus(
                self._credential, name, GateState.OPEN, Condition.ONLINE, since=now
            )
        for name, status in shown.items():
            old = self._shown.get(name)
            if status != old and (old is not None or status.state is not GateState.OPEN):
                self._dependencies.publish(None, GateChanged(status))
        self._shown = {one.name: shown[one.name] for one in self._memory.gate.buckets}

    def _arm(self, world: World) -> None:
        """One timer, for the next time at which something is due."""
        due = next_look(self._memory.gate, world)
        if due == self._due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        if due is not None:
            self._timer = self.send_after(min(due - world.now, RECHECK_S), _Wake())

    # -- the table ------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Write what has changed; while the store fails, say so once and try again."""
        failures = 0
        while True:
            await self._changed.wait()
            self._changed = trio.Event()
            try:
                await self._save()
                failures = 0
            except StoreError as error:
                failures += 1
                if failures == 1:
                    self._dependencies.publish(None, Notice(self._not_kept(error)))
                self._changed.set()
                await trio.sleep(SAVE_AGAIN.delay(failures, self._dependencies.chance()))

    async def _save(self) -> None:
        memory = self._memory
        rows = {one.name: row_of(self._credential, one) for one in memory.gate.buckets}
        new = [row for name, row in rows.items() if memory.saved.get(name) != row]
        gone = [(self._credential, name) for name in memory.saved if name not in rows]
        if new or gone:
            await self._dependencies.table.save(new, gone)
            memory.saved = rows

    def _not_kept(self, error: StoreError) -> str:
        return (
            f"the gate of {self._credential} holds, but a restart of the daemon would forget its "
            f"last change: {error}; it is tried again"
        )


@frozen
class _Wake:
    """The timer's message."""
