"""All limit gates: one supervised actor for each credential, and the door to it."""

import random
import time
from collections.abc import Callable, Sequence
from functools import partial

import trio

from hive.actors import ActorDied, ActorError, ActorHost, MailboxFull, NoActor, Parked
from hive.gate.around import Around
from hive.gate.client import Client
from hive.gate.events import Admit, Event, Look, NewLogin, Said, Signal, TurnEnd
from hive.gate.gate import GateActor
from hive.gate.hold import Hold
from hive.gate.seat import Seat, gate_of
from hive.gate.settings import GateSettings
from hive.gate.table import GateTable, row_of
from hive.gate.value import Gate
from hive.gate.view import hold_of, is_quiet, statuses
from hive.store import Store
from hive.supervisors import AlreadyPresent, ChildSpec, DynamicSupervisor, SupervisorError, one_line
from hive.wire import ApiSignal, GateCommand, GateState, GateStatus, Outcome, TurnReport
from hive.wire import Event as LiveEvent

DECIDE_WITHIN_S = 2.0
MAILBOX = 1024
TICK_S = 10.0
_NO_MATTER = frozenset(
    {
        Outcome.COMPLETED,
        Outcome.INTERRUPTED,
        Outcome.FAILED,
        Outcome.REFUSED,
        Outcome.CONTEXT_FULL,
        Outcome.OVER_BUDGET,
    }
)
"""Ends of a turn that close no gate."""

WATCHDOG_S = 60.0


class GateUnavailable(Exception):
    """A gate does not work now; the text says why, whether it was told, and what to do."""


class Gates:
    """`supervisor` is the child "gate" of the tree; see Around for the callables.

    `clients` must name every agent that works with a credential, whether it waits or not: whom it
    does not name, `apply` does not tell. While a gate's actor is away its last value decides, so
    that what was closed stays closed, and what is said to it waits for the next one.
    """

    def __init__(
        self,
        store: Store,
        clients: Callable[[str], Sequence[Client]],
        apply: Callable[[str, Hold | None], object],
        publish: Callable[[str | None, LiveEvent], object],
        settings: GateSettings | None = None,
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._table = GateTable(store)
        self._around = Around(
            self._table, clients, apply, publish, settings or GateSettings(), now, chance
        )
        self._seats: dict[str, Seat] = {}
        self._hosts: dict[str, ActorHost] = {}
        self.supervisor = DynamicSupervisor(load=self._load)

    async def ensure(self, credential: str) -> None:
        """See to it that the gate of this credential works and has told its agents.

        Returns also when it does not come up in time: then its last value decides.
        """
        host = self._host(credential)
        if host.ref.alive:
            return
        try:
            await self.supervisor.start_child(self._spec(credential))
        except AlreadyPresent:
            if host.ref.parked is None:  # it starts, or comes back from a crash
                with trio.move_on_after(DECIDE_WITHIN_S):
                    await self._seat(credential).up.wait()
        except SupervisorError:
            pass  # it is loaded when its supervisor starts

    async def admit(self, credential: str, agent: str) -> Hold | None:
        """May this agent take work now? To be asked right before each lease."""
        if self._is_at_rest(credential):  # then its actor would find nothing to decide
            await trio.lowlevel.checkpoint_if_cancelled()  # spares a turn of the scheduler
            return None
        return await self._ask(credential, Admit(agent))

    async def turn_ended(
        self, credential: str, agent: str, lease: str, report: TurnReport
    ) -> Hold | None:
        """Tell how a turn ended; why the agent must wait now.

        Also for a turn that nobody reported: as interrupted.
        """
        if report.outcome in _NO_MATTER and self._is_at_rest(credential):
            await trio.lowlevel.checkpoint_if_cancelled()
            return None
        return await self._ask(credential, TurnEnd(agent, lease, report))

    def signal(self, credential: str, agent: str, signal: ApiSignal) -> None:
        """Tell what the API said in mid-turn; never blocks."""
        self._say(credential, Signal(agent, signal))

    async def new_login(self, credential: str) -> None:
        """The credential was replaced."""
        await self.ensure(credential)
        self._say(credential, NewLogin())

    def changed(self, credential: str) -> None:
        """Agents of this credential came, went or got work; cheap."""
        seat, host = self._seats.get(credential), self._hosts.get(credential)
        if seat is None or host is None or seat.looking or self._is_at_rest(credential):
            return
        try:
            host.ref.cast_nowait(Look())
            seat.looking = True
        except (NoActor, MailboxFull):
            pass  # it looks when it starts, and at every event

    async def command(self, command: GateCommand) -> None:
        """Do what the operator says.

        Raises ValueError with what is allowed, and GateUnavailable.
        """
        if command.credential not in self._seats:
            known = ", ".join(sorted(self._seats)) or "none in use yet"
            name = one_line(command.credential, 80)
            raise ValueError(f"{name!r} is no credential in use; allowed: {known}")
        await self.ensure(command.credential)
        host = self._host(command.credential)
        try:
            await host.ref.call(command, timeout=DECIDE_WITHIN_S)
        except (ActorError, trio.TooSlowError) as error:
            raise GateUnavailable(_unavailable(command.credential, error)) from error

    def hold(self, credential: str, model: str | None, agent: str) -> Hold | None:
        """Why this agent has to wait, as far as is known now."""
        seat = self._seats.get(credential)
        if seat is None:
            return None
        return hold_of(seat.gate, Client(agent, model), self._around.now())

    def statuses(self) -> tuple[GateStatus, ...]:
        """Every bucket of every credential in use."""
        return tuple(
            status
            for credential, seat in sorted(self._seats.items())
            for status in statuses(seat.gate, self._around.world(credential))
        )

    # -- actors ---------------------------------------------------------------------------------

    async def _load(self) -> Sequence[ChildSpec]:
        """The gates that the table knows; what is in memory already is newer."""
        for credential, buckets in (await self._table.all()).items():
            if credential not in self._seats:
                saved = {one.name: row_of(credential, one) for one in buckets}
                self._seats[credential] = Seat(gate_of(credential, buckets), saved)
        return [self._spec(credential) for credential in self._seats]

    def _seat(self, credential: str) -> Seat:
        return self._seats.setdefault(credential, Seat(Gate(credential)))

    def _host(self, credential: str) -> ActorHost:
        """The place of the actor; it is the same over all of the hive's restarts."""
        if credential not in self._hosts:
            make = partial(GateActor, self._seat(credential), self._around)
            self._hosts[credential] = ActorHost(
                make, name=f"gate {credential}", capacity=MAILBOX, tick_every=TICK_S
            )
        return self._hosts[credential]

    def _spec(self, credential: str) -> ChildSpec:
        """A gate that cannot live is parked, not its agents: they stay as they are meanwhile."""
        return ChildSpec(
            credential,
            self._host(credential).run,
            watchdog=WATCHDOG_S,
            park_on_exhausted=True,
        )

    # -- what is said to them -------------------------------------------------------------------

    def _is_at_rest(self, credential: str) -> bool:
        """Whether nobody waits, all is decided, and the end of no turn could add to it."""
        seat = self._seats.get(credential)
        return seat is not None and not seat.said and not seat.gate.told and is_quiet(seat.gate)

    async def _ask(self, credential: str, event: Admit | TurnEnd) -> Hold | None:
        await self.ensure(credential)
        try:
            hold: Hold | None = await self._host(credential).ref.call(
                event, timeout=DECIDE_WITHIN_S
            )
            return hold
        except (ActorError, trio.TooSlowError) as error:
            if isinstance(event, TurnEnd) and isinstance(error, NoActor | Parked | MailboxFull):
                self._seat(credential).said.append(event)
            return self._without_actor(credential, event.agent)

    def _say(self, credential: str, event: Event) -> None:
        self._seat(credential).said.append(event)
        try:
            self._host(credential).ref.cast_nowait(Said())
        except (NoActor, MailboxFull):
            pass  # it decides when it starts, and at every event

    def _without_actor(self, credential: str, agent: str) -> Hold | None:
        """What the last value says. While it is tried, only the probe goes on."""
        seat, world = self._seat(credential), self._around.world(credential)
        client = world.client(agent)
        if hold := hold_of(seat.gate, client, world.now):
            return hold
        for bucket in seat.gate.buckets:
            probe = bucket.probe
            if bucket.state is not GateState.PROBING or not bucket.concerns(client):
                continue
            if probe is None or probe.agent != agent:
                seat.denied.add(agent)
                return Hold(bucket.condition, "its gate does not answer", None, credential)
        return None


def _unavailable(credential: str, error: ActorError | trio.TooSlowError) -> str:
    gate, path = f"the gate of {credential}", f"hive/gate/{credential}"
    match error:
        case Parked(reason=reason):
            return f"{gate} is parked ({reason}): nothing was done; `hive unpark {path}` starts it"
        case MailboxFull():
            return f"{gate} has too much to decide: nothing was done; try again in a moment"
        case ActorDied():
            return (
                f"{gate} failed while it decided, and is restarted: `hive gate` shows whether this "
                f"was done, `hive tree {path}` why it failed"
            )
        case trio.TooSlowError():
            return (
                f"{gate} did not answer within {DECIDE_WITHIN_S:g} s and may do it yet: look at "
                f"`hive gate` before you repeat it; `hive kick {path}` restarts a gate that hangs"
            )
    return (
        f"{gate} does not run, it is being restarted or stopped: nothing was done; try again in a "
        f"moment; `hive tree {path}` shows why"
    )
