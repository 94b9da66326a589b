"""The actor of one credential's gate: takes events in order, and does what its value says.

Its handlers never wait: a decision takes effect at once, and the store is written beside them.
"""

from typing import Any

import trio
from attrs import frozen

from hive.actors import DEFERRED, Actor, Exit, Slot, Timer
from hive.gate.around import Around
from hive.gate.events import Admit, Event, Look, Said, TurnEnd
from hive.gate.hold import Hold
from hive.gate.policy import step
from hive.gate.seat import Seat
from hive.gate.table import row_of
from hive.gate.value import World
from hive.gate.view import hold_of, next_look, statuses
from hive.store import StoreError
from hive.supervisors import Backoff
from hive.wire import Condition, GateChanged, GateCommand, GateState, GateStatus, Notice

RECHECK_S = 30.0
"""A sleep is never longer, because the wall clock may jump."""
GATHER_S = 0.1
"""News of agents that come, go or get work are looked at together."""
SAVE_AGAIN = Backoff(initial=1.0, min=2.0, max=60.0)
LAST_SAVE_S = 1.5


class GateActor(Actor):
    """Calls are Admit and TurnEnd (answer: the agent's Hold or None) and GateCommand."""

    with_helpers = True

    def __init__(self, seat: Seat, around: Around) -> None:
        self._seat = seat
        self._around = around
        self._credential = seat.gate.credential
        self._applied: dict[str, Hold | None] = {}
        self._shown: dict[str, GateStatus] = {}
        self._changed = trio.Event()
        self._timer: Timer | None = None
        self._due: float | None = None

    async def init(self) -> None:
        """Take up the last value; all agents are told what holds."""
        self._seat.looking = False
        self.helpers.start_soon(self._keep, name=f"keeper of gate {self._credential}")
        self._do(Look(), always=True)
        self._seat.up.set()

    async def handle_call(self, message: Admit | TurnEnd | GateCommand, reply: Slot[Any]) -> Any:
        """Decide, and answer with the agent's Hold."""
        try:
            world = self._do(message)
        except ValueError as error:  # the operator's command was wrong, not the gate
            if not isinstance(message, GateCommand):
                raise
            reply.fail(error)
            return DEFERRED
        if isinstance(message, GateCommand):
            return None
        return hold_of(self._seat.gate, world.client(message.agent), world.now)

    async def handle_cast(self, message: Look | Said) -> None:
        """Decide what was said; a Look comes a moment later, together with others."""
        if isinstance(message, Look):
            self.send_after(GATHER_S, message)
        else:
            self._do(None)

    async def handle_info(self, message: object) -> None:
        """A look, because agents changed or because time has come."""
        if isinstance(message, Look):
            self._seat.looking = False
            self._do(message, always=True)
        elif isinstance(message, _Wake):
            self._due = None
            self._do(Look())

    async def terminate(self, how: Exit) -> None:
        """What is not kept yet is kept now, if the store still works."""
        self._seat.up = trio.Event()
        with trio.move_on_after(LAST_SAVE_S):
            try:
                await self._save()
            except StoreError:
                pass  # said by the keeper before; a restart of this actor alone loses nothing

    def status(self) -> object:
        """The gate, for a probe."""
        return self._seat.gate

    # -- one event after the other --------------------------------------------------------------

    def _do(self, event: Event | None, *, always: bool = False) -> World:
        """Decide what was said and then this, and do what follows; `always`: agents may differ."""
        seat, before = self._seat, self._seat.gate
        world = self._around.world(self._credential)
        while seat.said:
            seat.gate = step(seat.gate, seat.said.popleft(), world)
        if event is not None:
            seat.gate = step(seat.gate, event, world)
        if always or seat.denied or seat.gate != before:
            self._tell(world)
            self._changed.set()
        self._arm(world)
        return world

    def _tell(self, world: World) -> None:
        """Agents first, then those who watch."""
        gate, denied = self._seat.gate, self._seat.denied
        applied = {}
        for client in world.clients:
            name = client.name
            hold = applied[name] = hold_of(gate, client, world.now)
            if name in denied or name not in self._applied or self._applied[name] != hold:
                self._around.apply(name, hold)
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
                self._around.publish(None, GateChanged(status))
        self._shown = {one.name: shown[one.name] for one in self._seat.gate.buckets}

    def _arm(self, world: World) -> None:
        """One timer, for the next time at which something is due."""
        due = next_look(self._seat.gate, world)
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
                    self._around.publish(None, Notice(self._not_kept(error)))
                self._changed.set()
                await trio.sleep(SAVE_AGAIN.delay(failures, self._around.chance()))

    async def _save(self) -> None:
        seat = self._seat
        rows = {one.name: row_of(self._credential, one) for one in seat.gate.buckets}
        new = [row for name, row in rows.items() if seat.saved.get(name) != row]
        gone = [(self._credential, name) for name in seat.saved if name not in rows]
        if new or gone:
            await self._around.table.save(new, gone)
            seat.saved = rows

    def _not_kept(self, error: StoreError) -> str:
        return (
            f"the gate of {self._credential} holds, but a restart of the daemon would forget its "
            f"last change: {error}; it is tried again"
        )


@frozen
class _Wake:
    """The timer's message."""
