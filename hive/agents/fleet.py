"""All agents: one dynamic supervisor, whose children are those of the directory that are wanted."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import trio
from attrs import define, field

from hive.agents import container, serve, socket
from hive.agents.agent import Agent, AgentDependencies
from hive.containers import ContainerError, destroy
from hive.directory import AgentRecord, Directory, credential_key
from hive.link import LinkClosed, Peer
from hive.paths import Paths
from hive.store import StoreError
from hive.supervisors import (
    Backoff,
    ChildSpec,
    DynamicSupervisor,
    RestartIntensity,
    Strategy,
    Supervisor,
    SupervisorError,
    supervisor_spec,
)
from hive.wire.agents import Spawn
from hive.wire.daemon import Notice
from hive.wire.names import check_model, check_name, check_recipients

PUSH_S = 5.0

REMINDERS = "reminders"
"""The child that an agent can work without."""


@define(eq=False)
class Fleet:
    """Creates, starts, stops and destroys agents; who exists is known by the directory.

    `live` are those that are supervised now, by name, also while they are parked or in back-off.
    `start`, `stop` and `restart` raise NoSuchAgent, StoreError, SupervisorError, ContainerError.
    """

    dependencies: AgentDependencies
    live: dict[str, Agent] = field(factory=dict)
    supervisor: DynamicSupervisor = field(init=False)
    _directory: Directory = field(init=False)
    _acts: defaultdict[str, trio.Lock] = field(init=False, factory=lambda: defaultdict(trio.Lock))
    """Held while an agent is started, stopped or ended: two acts on one would undo each other."""

    def __attrs_post_init__(self) -> None:
        self._directory = self.dependencies.directory
        self.supervisor = DynamicSupervisor(load=self._load)

    async def create(self, wish: Spawn) -> None:
        """Add an agent and start it, with the configured driver and model unless it names others.

        Raises ValueError (also as UnknownDriver and BadCredential), AgentExists, DriverUnavailable,
        StoreError, and SupervisorError when it does not start; it exists then all the same and can
        be started again.
        """
        dependencies = self.dependencies
        record = AgentRecord(
            check_name(wish.name),
            wish.driver or dependencies.config.driver,
            dependencies.claude_config.model if wish.model is None else check_model(wish.model),
            credential=dependencies.access.api.check(wish.credential),
            may_send=None if wish.may_send is None else check_recipients(wish.may_send),
        )
        await trio.to_thread.run_sync(dependencies.driver(record.driver).check)
        await self._directory.create(record)
        await dependencies.approvals.prepare(record)  # before its container, which sees the folder
        await self.push_settings()  # the others' name whom they can write to
        async with self._acts[wish.name]:
            await self._start(wish.name)

    async def start(self, name: str) -> None:
        """Start a stopped agent, now and whenever the hive starts; a running one stays as it is."""
        self._directory.record(name)
        async with self._acts[name]:
            await self._want(name, wanted=True)
            await self._start(name)

    async def stop(self, name: str) -> None:
        """End the agent's container in order; what it held goes back to its queue.

        It stays stopped, also after a restart of the daemon, until it is started.
        """
        self._directory.record(name)
        async with self._acts[name]:
            await self._want(name, wanted=False)
            await self._terminate(name)

    async def restart(self, name: str) -> None:
        """Stop the agent and start it; its next turn carries on where this one was interrupted."""
        self._directory.record(name)
        async with self._acts[name]:
            await self._want(name, wanted=True)
            await self._terminate(name)
            await self._start(name)

    async def use_credential(self, name: str, credential: str) -> AgentRecord:
        """Let the agent use this credential from now on, and return its record.

        Raises NoSuchAgent, StoreError. Its harness learns of it by `push_settings`.
        """
        self._directory.record(name)
        await self._directory.use_credential(name, credential)
        return self._directory.record(name)

    async def allow(self, name: str, may_send: tuple[str, ...] | None) -> None:
        """Let the agent send to these (None: to all) beside the manager and the operator.

        Raises NoSuchAgent, ValueError, StoreError.
        """
        self._directory.record(name)
        may_send = None if may_send is None else check_recipients(may_send)
        await self._directory.allow(name, may_send)
        if (agent := self.live.get(name)) and agent.peer is not None:
            await self._push_settings(agent, agent.peer)

    async def push_settings(self, key: str | None = None) -> None:
        """Send the harnesses of the agents behind this credential key (None: all) their settings.

        Those that are not connected get them when they connect. The CLI takes them at its next
        turn.
        """
        async with trio.open_nursery() as nursery:
            for agent in self.live.values():
                if key in (None, credential_key(agent.record)) and agent.peer is not None:
                    nursery.start_soon(self._push_settings, agent, agent.peer)

    async def _push_settings(self, agent: Agent, peer: Peer) -> None:
        with trio.move_on_after(PUSH_S) as deadline, suppress(LinkClosed):
            await peer.push(agent.settings)
        if deadline.cancelled_caught:
            await peer.close("it takes no settings: it gets them when it connects anew")

    @property
    def leaving(self) -> Sequence[str]:
        """The names of agents whose end has begun and is not complete."""
        return tuple(self._directory.leaving)

    async def leave(self, name: str, when: str) -> None:
        """Stop the agent and begin its end: from then on nobody can send to it, for good.

        `put_away` completes it, also after a restart of the daemon. Raises NoSuchAgent,
        SupervisorError, ContainerError, StoreError.
        """
        self._directory.record(name)
        async with self._acts[name]:
            await self._want(name, wanted=False)
            await self._terminate(name)
            await self._directory.leave(name, when)
        await self.push_settings()  # the others learn that it is no more

    async def put_away(self, name: str) -> None:
        """Move the folder of an agent that has left to `destroyed/`, then delete its row.

        May be repeated wherever it failed before, and when it is done. Raises ContainerError,
        OSError, StoreError.
        """
        async with self._acts[name]:
            if (when := self._directory.leaving.get(name)) is not None:
                paths = self.dependencies.paths
                await trio.to_thread.run_sync(_put_away, paths, name, paths.destroyed(name, when))
                await self._directory.delete(name)
        self._acts.pop(name, None)

    async def end_leftovers(self) -> None:
        """End the containers of agents that are stopped, which an earlier daemon has left running.

        What does not end is told as a notice.
        """
        for name in tuple(self._directory.known):
            async with self._acts[name]:
                record = self._directory.known.get(name)
                if record is None or record.wanted or name in self.live:
                    continue
                try:
                    await container.end_unwatched(Agent(name, self.dependencies))
                except (ContainerError, OSError, StoreError) as error:
                    text = f"{name} is stopped, but its container does not end: {error}"
                    self.dependencies.publish(name, Notice(text))

    def stop_containers(self) -> None:
        """Let the end of each agent's subtree end its container too, from now on."""
        for agent in self.live.values():
            agent.stopping = True

    async def _want(self, name: str, *, wanted: bool) -> None:
        if self._directory.record(name).wanted != wanted:
            await self._directory.want(name, wanted)

    async def _start(self, name: str) -> None:
        """Start the agent unless it is there; raises NoSuchAgent, SupervisorError."""
        record = self._directory.record(name)
        if name in self.live:
            return
        try:
            await self.supervisor.start_child(self._spec(record))
        except SupervisorError:
            self.live.pop(name, None)
            raise

    async def _terminate(self, name: str) -> None:
        if agent := self.live.get(name):
            agent.stopping = True
            await self.supervisor.terminate_child(name)
            try:
                await container.end_unwatched(agent)
            finally:  # or a later start would find it and do nothing
                self.live.pop(name, None)
                self.dependencies.changed(name)

    async def _load(self) -> Sequence[ChildSpec]:
        await self._directory.load()
        return [self._spec(record) for record in self._directory.known.values() if record.wanted]

    def _spec(self, record: AgentRecord) -> ChildSpec:
        agent = Agent(record.name, self.dependencies)
        self.live[record.name] = agent
        grace = self.dependencies.config.stop_grace_s + 3 * container.KILL_WAIT_S
        backoff = Backoff(min=0.2, max=60.0)
        subtree = Supervisor(
            [
                ChildSpec("socket", partial(socket.run, agent=agent), watchdog=15.0),
                ChildSpec(
                    "container",
                    partial(container.run, agent=agent),
                    grace=grace,
                    backoff=backoff,
                ),
                ChildSpec(
                    "serve", partial(serve.serve, agent=agent), watchdog=15.0, park_jitter=0.0
                ),
                ChildSpec(
                    REMINDERS,
                    partial(self.dependencies.reminders.scheduler, agent=record.name),
                    watchdog=180.0,
                    grace=15.0,
                    park_on_exhausted=True,
                ),
            ],
            strategy=Strategy.REST_FOR_ONE,
            intensity=RestartIntensity(intensity=5, period=60.0),
        )
        agent.subtree = subtree
        return supervisor_spec(record.name, subtree, park_on_exhausted=True)


def _put_away(paths: Paths, name: str, to: Path) -> None:
    """Keep what the agent wrote: nothing is deleted but the records of its containers.

    A later agent of its name begins with nothing of it.
    """
    destroy(paths.root, name)
    to.parent.mkdir(mode=0o700, exist_ok=True)
    folder, applied = paths.agent(name).base, paths.applied_config(name)
    if applied.exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        applied.rename(folder / applied.parent.name)
    if folder.exists():
        while to.exists():  # a namesake ended in the same second
            to = to.with_name(f"{to.name}-again")
        folder.rename(to)
