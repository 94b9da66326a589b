"""All limit gates: one supervised actor for each credential, and how the hive asks it."""

import random
import time
from collections.abc import Callable, Sequence
from functools import partial

import trio

from hive.actors import ActorDied, ActorError, ActorHost, ActorParked, MailboxFull, NoActor
from hive.gate.actor import DecidePending, GateActor, GateDependencies, GateMemory
from hive.gate.gate import Client, Gate, GateSettings, gate_of
from hive.gate.holds import Hold, hold_of, is_quiet, statuses
from hive.gate.policy import Admit, GateEvent, Look, NewLogin, Signal, TurnEnd
from hive.gate.rows import GateTable, row_of
from hive.store import Store
from hive.supervisors import AlreadyPresent, ChildSpec, DynamicSupervisor, SupervisorError
from hive.text import one_line
from hive.wire.events import Event
from hive.wire.gates import GateCommand, GateState, GateStatus
from hive.wire.turns import ApiSignal, Outcome, TurnReport

DECIDE_WITHIN_S = 2.0
MAILBOX = 1024
TICK_S = 10.0
_CLOSES_NOTHING = frozenset(
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


class GateService:
    """All gates of the hive. `supervisor` is the child "gate" of its tree.

    The callables are those of GateDependencies; `settings` of None are the defaults.

    `clients` must name every agent that works with a credential, whether it waits or not: whom it
    does not name, `apply` does not tell. While a gate's actor is away its last value decides, so
    that what was closed stays closed, and what is said to it waits for the next one.
    """

    def __init__(
        self,
        store: Store,
        clients: Callable[[str], Sequence[Client]],
        apply: Callable[[str, Hold | None], object],
        publish: Callable[[str | None, Event], object],
        settings: GateSettings | None = None,
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._table = GateTable(store)
        self._dependencies = GateDependencies(
            self._table, clients, apply, publish, settings or GateSettings(), now, chance
        )
        self._memories: dict[str, GateMemory] = {}
        self._hosts: dict[str, ActorHost] = {}
        self.supervisor = DynamicSupervisor(load=self._load)

    async def ensure(self, credential: str) -> None:
        """See to it that the gate of this credential works and has told its agents.

        Raises nothing, and returns also when it does not come up in time: its last value decides
        then.
        """
        host = self._host(credential)
        if host.ref.alive:
            return
        try:
            await self.supervisor.start_child(self._spec(credential))
        except AlreadyPresent:
            if host.ref.parked is None:  # it starts, or comes back from a crash
                with trio.move_on_after(DECIDE_WITHIN_S):
                    await self._memory(credential).up.wait()
        except SupervisorError:
            pass  # it is loaded when its supervisor starts

    async def admit(self, credential: str, agent: str) -> Hold | None:
        """Why this agent must not take work now, None if it may; asked right before each lease.

        While the gate is tried and has no probe, the agent becomes the probe. Without an answer in
        DECIDE_WITHIN_S the gate's last value decides.
        """
        if self._is_at_rest(credential):  # then its actor would find nothing to decide
            await trio.lowlevel.checkpoint_if_cancelled()  # spares a turn of the scheduler
            return None
        return await self._ask(credential, Admit(agent))

    async def turn_ended(
        self, credential: str, agent: str, lease: str, report: TurnReport
    ) -> Hold | None:
        """Tell how a turn ended; returns why the agent must wait now, None if it need not.

        To be told also for a turn that nobody reported: as interrupted.
        """
        if report.outcome in _CLOSES_NOTHING and self._is_at_rest(credential):
            await trio.lowlevel.checkpoint_if_cancelled()
            return None
        return await self._ask(credential, TurnEnd(agent, lease, report))

    def signal(self, credential: str, agent: str, signal: ApiSignal) -> None:
        """Tell what the API said in the middle of the agent's turn. Never waits, raises nothing."""
        self._post(credential, Signal(agent, signal))

    async def new_login(self, credential: str) -> None:
        """Tell that the credential was replaced: what only a login could end is tried again."""
        await self.ensure(credential)
        self._post(credential, NewLogin())

    def changed(self, credential: str) -> None:
        """Tell that agents of this credential came, went or got work. Cheap, raises nothing."""
        memory, host = self._memories.get(credential), self._hosts.get(credential)
        if memory is None or host is None or memory.look_queued or self._is_at_rest(credential):
            return
        try:
            host.ref.cast_nowait(Look())
            memory.look_queued = True
        except (NoActor, MailboxFull):
            pass  # it looks when it starts, and at every event

    async def command(self, command: GateCommand) -> None:
        """Do what the operator says; returns when it is decided and the agents have been told.

        Raises ValueError, with what is allowed, for a credential that is not in use and for a
        command that cannot be, and GateUnavailable if the gate does not work or did not answer.
        """
        if command.credential not in self._memories:
            known = ", ".join(sorted(self._memories)) or "none in use yet"
            name = one_line(command.credential, 80)
            raise ValueError(f"{name!r} is no credential in use; allowed: {known}")
        await self.ensure(command.credential)
        host = self._host(command.credential)
        try:
            await host.ref.call(command, timeout=DECIDE_WITHIN_S)
        except (ActorError, trio.TooSlowError) as error:
            raise GateUnavailable(_unavailable(command.credential, error)) from error

    def hold(self, credential: str, model: str | None, agent: str) -> Hold | None:
        """Why this agent has to wait, None if it need not; as far as is decided now, never waits.

        `model` is the configured one, None for the CLI's own choice.
        """
        memory = self._memories.get(credential)
        if memory is None:
            return None
        return hold_of(memory.gate, Client(agent, model), self._dependencies.now())

    def statuses(self) -> tuple[GateStatus, ...]:
        """Every bucket of every credential in use, sorted by credential."""
        return tuple(
            status
            for credential, memory in sorted(self._memories.items())
            for status in statuses(memory.gate, self._dependencies.world(credential))
        )

    # -- actors ---------------------------------------------------------------------------------

    async def _load(self) -> Sequence[ChildSpec]:
        """The gates that the table knows; what is in memory already is newer."""
        for credential, buckets in (await self._table.all()).items():
            if credential not in self._memories:
                saved = {one.name: row_of(credential, one) for one in buckets}
                self._memories[credential] = GateMemory(gate_of(credential, buckets), saved)
        return [self._spec(credential) for credential in self._memories]

    def _memory(self, credential: str) -> GateMemory:
        return self._memories.setdefault(credential, GateMemory(Gate(credential)))

    def _host(self, credential: str) -> ActorHost:
        """The place of the actor; it is the same over all of the hive's restarts."""
        if credential not in self._hosts:
            make = partial(GateActor, self._memory(credential), self._dependencies)
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

    # -- events to the actors -------------------------------------------------------------------

    def _is_at_rest(self, credential: str) -> bool:
        """Whether nobody waits, all is decided, and the end of no turn could add to it."""
        memory = self._memories.get(credential)
        return (
            memory is not None
            and not memory.pending
            and not memory.gate.signalled
            and is_quiet(memory.gate)
        )

    async def _ask(self, credential: str, event: Admit | TurnEnd) -> Hold | None:
        await self.ensure(credential)
        try:
            hold: Hold | None = await self._host(credential).ref.call(
                event, timeout=DECIDE_WITHIN_S
            )
            return hold
        except (ActorError, trio.TooSlowError) as error:
            if isinstance(event, TurnEnd) and isinstance(
                error, NoActor | ActorParked | MailboxFull
            ):
                self._memory(credential).pending.append(event)
            return self._without_actor(credential, event.agent)

    def _post(self, credential: str, event: GateEvent) -> None:
        self._memory(credential).pending.append(event)
        try:
            self._host(credential).ref.cast_nowait(DecidePending())
        except (NoActor, MailboxFull):
            pass  # it decides when it starts, and at every event

    def _without_actor(self, credential: str, agent: str) -> Hold | None:
        """What the last value says. While it is tried, only the probe goes on."""
        memory, world = self._memory(credential), self._dependencies.world(credential)
        client = world.client(agent)
        if hold := hold_of(memory.gate, client, world.now):
            return hold
        for bucket in memory.gate.buckets:
            probe = bucket.probe
            if bucket.state is not GateState.PROBING or not bucket.concerns(client):
                continue
            if probe is None or probe.agent != agent:
                memory.denied.add(agent)
                return Hold(bucket.condition, "its gate does not answer", None, credential)
        return None


def _unavailable(credential: str, error: ActorError | trio.TooSlowError) -> str:
    gate, path = f"the gate of {credential}", f"hive/gate/{credential}"
    match error:
        case ActorParked(reason=reason):
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
