"""Supervisors as their users see them: handles that outlive their incarnations."""

from __future__ import annotations

import math
import random as _random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from attrs import evolve, frozen

from hive.supervisors import requests
from hive.supervisors.backoff import DEFAULT_BACKOFF, PARK_BACKOFF, Backoff
from hive.supervisors.context import Context
from hive.supervisors.errors import NotFound, NotRunning, NotStopped, SpecError
from hive.supervisors.events import PastEvent, Sink, deliver
from hive.supervisors.flags import (
    DEFAULT_INTENSITY,
    RestartIntensity,
    SupervisorFlags,
    changed_flags,
    check_flags,
)
from hive.supervisors.loop import serve
from hive.supervisors.machine import Machine
from hive.supervisors.snapshot import ChildCounts, Snapshot, State
from hive.supervisors.spec import AutoShutdown, ChildSpec, Restart, Strategy, check_specs


@frozen
class ChildInfo:
    """What which_children() says of one child; `incarnation` is 0 before its first start."""

    id: str
    state: State
    incarnation: int
    spec: ChildSpec


class Supervisor:
    """Keeps children alive. Make it once; it runs as often as its own supervisor restarts it.

    Children start in order, each when the one before is ready, and stop in reverse order. What
    start_child() adds is lost when the supervisor itself is restarted.

    * `strategy` says which siblings are restarted with a failed child;
    * `intensity` how many failures are allowed before it gives up;
    * `auto_shutdown` whether the end of significant children ends it;
    * `sink` takes the events of it and of all below it; None: that of the tree, see run_root();
    * `random` gives numbers in [0, 1) for the jitter of delays.

    Raises SpecError for bad specs or flags. All methods but run(), start_child(), restart_child()
    and terminate_child() are synchronous and do not block. Those that act on a child raise NotFound
    if there is none with that id, and NotRunning if the supervisor does not run or is stopping.
    """

    def __init__(
        self,
        children: Sequence[ChildSpec] = (),
        *,
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        intensity: RestartIntensity = DEFAULT_INTENSITY,
        auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
        sink: Sink | None = None,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self._flags = SupervisorFlags(strategy, intensity, auto_shutdown, random)
        check_flags(self._flags)
        check_specs(children, auto_shutdown=auto_shutdown)
        self._specs = tuple(children)
        self._sink = sink
        self._machine: Machine | None = None
        self._serving = False
        self._path = ""

    async def run(self, ctx: Context) -> None:
        """Run one incarnation, until it is cancelled, told to stop by `ctx`, or gives up.

        It ends when all its children have ended, overdue ones too. Raises
        StartFailed when a child of its specs does not start, IntensityExceeded when it gives up,
        Shutdown when a significant child ended, the KeyboardInterrupt or SystemExit of a child,
        SpecError for bad specs of load(), and RuntimeError if it runs already.
        """
        if self._serving:
            raise RuntimeError(f"supervisor {self._path} runs already; make one for each place")
        self._serving = True
        try:
            specs = await self._load()
            emit = ctx.emit if self._sink is None else partial(deliver, self._sink)
            self._path = ctx.path
            self._machine = Machine(self._flags, ctx, emit, specs)
            await serve(self._machine, ctx)
        finally:
            self._serving = False

    async def start_child(self, spec: ChildSpec) -> object:
        """Add a child, wait until it is ready, and return the value of its ready().

        None if it parked or ended cleanly before that. Raises AlreadyPresent, SpecError,
        NotRunning, MaxChildren, and StartFailed, after which nothing of the child remains. A caller
        that gives up waiting does not undo the start.
        """
        check_specs([spec], auto_shutdown=self._flags.auto_shutdown)
        return await requests.add(self._active(), spec).wait()

    async def restart_child(self, child_id: str) -> object:
        """Start a stopped child, wait until it is ready, and return the value of its ready().

        Raises NotFound, NotRunning, StillRunning, and StartFailed, after which its spec remains.
        """
        return await requests.restart(self._active(), child_id).wait()

    async def terminate_child(self, child_id: str) -> None:
        """Stop a child in order and wait for its end; does nothing to a stopped one.

        Its spec stays, unless it is temporary or its supervisor dynamic. Raises NotFound,
        NotRunning, and NotStopped if it has not ended within its grace.
        """
        child = requests.terminate(self._active(), child_id)
        if child.alive:
            await child.gone.wait()
        if child.alive:
            raise NotStopped(f"{child.path} did not end in {child.spec.grace:g} s; it is overdue")

    def delete_child(self, child_id: str) -> None:
        """Forget a stopped child and its spec. Raises NotFound, NotRunning, StillRunning."""
        requests.delete(self._active(), child_id)

    def kick(self, child_id: str) -> None:
        """Stop a child if it runs, and start it now, whatever it waits for.

        This counts as no failure, and its failures in a row are forgotten. Raises NotFound,
        NotRunning.
        """
        requests.kick(self._active(), child_id)

    def park(self, child_id: str, reason: str, until: float | None = None) -> None:
        """Stop a child if it runs, and park it until a time of Trio's clock.

        unpark() and kick() end the park; with None as `until` nothing else does. Raises NotFound,
        NotRunning.
        """
        requests.park(self._active(), child_id, reason, until)

    def unpark(self, child_id: str) -> None:
        """Start a parked child now; does nothing to one that is not parked.

        Raises NotFound, NotRunning.
        """
        requests.unpark(self._active(), child_id)

    def suspend(self, child_id: str) -> None:
        """Halt a child that cooperates (Context.wait_resumed, on_suspend), until resume().

        It holds for later incarnations too; the watchdog rests meanwhile. Raises NotFound,
        NotRunning.
        """
        requests.suspend(self._active(), child_id)

    def resume(self, child_id: str) -> None:
        """Let a suspended child go on; does nothing to one that is not suspended.

        Raises NotFound, NotRunning.
        """
        requests.resume(self._active(), child_id)

    def reconfigure(
        self,
        children: Sequence[ChildSpec] | None = None,
        *,
        strategy: Strategy | None = None,
        intensity: RestartIntensity | None = None,
        auto_shutdown: AutoShutdown | None = None,
    ) -> None:
        """Replace child specs and flags, now and for later incarnations; None keeps what is.

        No child is started or stopped: running ones keep their incarnation under the new spec, new
        ones wait for restart_child(), those not in `children` are kept after all others until the
        supervisor is restarted (a DynamicSupervisor then asks load()). Raises SpecError,
        MaxChildren, and, for a DynamicSupervisor that does not run, NotRunning; then nothing is
        changed.
        """
        flags = changed_flags(self._flags, strategy, intensity, auto_shutdown)
        machine = self._machine if self._serving else None
        requests.check_reconfigure(flags, children, machine)
        self._flags = flags
        if children is not None:
            self._specs = tuple(children)
        if machine is not None:
            requests.reconfigure(machine, flags, children)

    def hurry(self, grace: float) -> None:
        """Shorten all stops from now on, also below: no drain, at most `grace` seconds each."""
        if self._machine is not None:
            self._machine.hurry(grace)

    def stop(self, detail: str = "stopped by its owner") -> None:
        """Begin the ordered stop; run() returns when it is complete. Does nothing before run()."""
        if self._machine is not None:
            self._machine.shut_down(detail)

    def which_children(self) -> tuple[ChildInfo, ...]:
        """Return all children in start order; those of the specs if it never ran."""
        if self._machine is None:
            return tuple(ChildInfo(spec.id, State.STOPPED, 0, spec) for spec in self._specs)
        return tuple(
            ChildInfo(child.spec.id, child.state, child.incarnation, child.spec)
            for child in self._machine.children.values()
        )

    def get_childspec(self, child_id: str) -> ChildSpec:
        """Return the spec of a child. Raises NotFound."""
        specs = {info.id: info.spec for info in self.which_children()}
        if child_id not in specs:
            raise requests.not_found(self._path, child_id)
        return specs[child_id]

    def locate(self, path: str) -> tuple[Supervisor, str]:
        """Return the supervisor of the child at `path`, however deep, and the child's id in it.

        Raises NotFound if there is no such path below this supervisor.
        """
        specs = {f"{self._path}/{info.id}": info.spec for info in self.which_children()}
        if path in specs:
            return self, specs[path].id
        for here, spec in specs.items():
            if spec.supervisor is not None and path.startswith(f"{here}/"):
                return spec.supervisor.locate(path)
        raise NotFound(f"{self._path or 'a supervisor that never ran'} has nobody at {path!r}")

    def history(self, child_id: str) -> tuple[PastEvent, ...]:
        """Return the last events of a child, oldest first; also when the supervisor has ended.

        Raises NotFound.
        """
        machine = self._machine
        if machine is None or child_id not in machine.children:
            raise requests.not_found(self._path, child_id)
        return machine.children[child_id].history

    def count_children(self) -> ChildCounts:
        """Return how many children there are, in all and by what they do."""
        infos = self.which_children()
        states = [info.state for info in infos]
        idle = (State.BACKOFF, State.PARKED, State.STOPPED, State.FAILED)
        supervisors = sum(info.spec.kind == "supervisor" for info in infos)
        return ChildCounts(
            specs=len(infos),
            active=sum(state not in idle for state in states),
            supervisors=supervisors,
            workers=len(infos) - supervisors,
            backoff=states.count(State.BACKOFF),
            parked=states.count(State.PARKED),
            overdue=states.count(State.OVERDUE),
        )

    def child_snapshots(self) -> tuple[Snapshot, ...]:
        """Return how the children look now, with all below them, in start order."""
        if self._machine is not None:
            return tuple(child.snapshot() for child in self._machine.children.values())
        return tuple(_not_started(spec, self._path) for spec in self._specs)

    def snapshot(self) -> Snapshot:
        """Return how this supervisor looks now, with all below it.

        Its own restarts are known to its supervisor only: `restarts` is 0 here.
        """
        machine = self._machine
        state = State.STOPPED
        if machine is not None and self._serving:
            state = machine.state
        elif machine is not None and machine.failure is not None:
            state = State.FAILED
        return Snapshot(
            path=self._path,
            id=self._path.rpartition("/")[2],
            kind="supervisor",
            state=state,
            reason=None,
            until=None,
            since=0.0 if machine is None else machine.since,
            restarts=0,
            last_tick=None,
            note=None,
            incarnation=0 if machine is None else machine.incarnation,
            children=self.child_snapshots(),
        )

    async def _load(self) -> Sequence[ChildSpec]:
        return self._specs

    def _active(self) -> Machine:
        if not self._serving or self._machine is None or self._machine.stopping:
            raise NotRunning(f"supervisor {self._path or '(never run)'} does not run; try later")
        return self._machine


class DynamicSupervisor(Supervisor):
    """A supervisor whose children have no order and come from elsewhere each time that it starts.

    They start and stop concurrently, at most `width` at a time, and each is restarted alone
    (one_for_one). `load` gives the children of each incarnation, so that a restart of the
    supervisor loses none; None: it begins with none. The supervisor is ready when it has them; a
    child that does not start then is restarted by its own spec and ends nobody else. A child that
    ends or is terminated is forgotten. `max_children` counts all that are known, also those in
    back-off or parked; start_child() beyond it raises MaxChildren.
    """

    def __init__(
        self,
        load: Callable[[], Awaitable[Sequence[ChildSpec]]] | None = None,
        *,
        intensity: RestartIntensity = DEFAULT_INTENSITY,
        max_children: float = math.inf,
        width: int = 32,
        auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
        sink: Sink | None = None,
        random: Callable[[], float] = _random.random,
    ) -> None:
        super().__init__(intensity=intensity, auto_shutdown=auto_shutdown, sink=sink, random=random)
        if width < 1 or max_children < 1:
            raise SpecError(f"width is {width}, max_children {max_children}; allowed: 1 or more")
        self._flags = evolve(self._flags, width=width, dynamic=True, max_children=max_children)
        self._loader = load

    async def _load(self) -> Sequence[ChildSpec]:
        if self._loader is None:
            return ()
        specs = await self._loader()
        if not isinstance(specs, Sequence) or isinstance(specs, str):
            raise SpecError(f"load() gave a {type(specs).__name__}; allowed: a list of ChildSpec")
        check_specs(specs, auto_shutdown=self._flags.auto_shutdown)
        if len(specs) > self._flags.max_children:
            raise SpecError(f"{len(specs)} children; allowed: {self._flags.max_children:g}")
        return specs


def supervisor_spec(
    id: str,  # noqa: A002 - the name of the field
    supervisor: Supervisor,
    *,
    restart: Restart = Restart.PERMANENT,
    grace: float = math.inf,
    init_timeout: float = math.inf,
    backoff: Backoff = DEFAULT_BACKOFF,
    significant: bool = False,
    park_on_exhausted: bool = False,
    park_backoff: Backoff = PARK_BACKOFF,
    park_jitter: float = 1.0,
) -> ChildSpec:
    """Make the spec of a supervisor as a child of another one.

    Unlike other children it has for ever, by default, to start and to stop its own children in
    order. The further parameters are those of ChildSpec.
    """
    return ChildSpec(
        id=id,
        start=supervisor.run,
        restart=restart,
        grace=grace,
        init_timeout=init_timeout,
        backoff=backoff,
        kind="supervisor",
        significant=significant,
        park_on_exhausted=park_on_exhausted,
        park_backoff=park_backoff,
        park_jitter=park_jitter,
        children=supervisor.child_snapshots,
        hurry=supervisor.hurry,
        supervisor=supervisor,
    )


def _not_started(spec: ChildSpec, path: str) -> Snapshot:
    children = () if spec.children is None else spec.children()
    return Snapshot(
        f"{path}/{spec.id}", spec.id, spec.kind, State.STOPPED, "not started yet", None, 0.0,
        0, None, None, 0, children,
    )  # fmt: skip
