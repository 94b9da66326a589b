"""All agents: one dynamic supervisor whose set of children comes from the store."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import trio
from attrs import define, evolve, field

from hive.agents import container, serve, socket
from hive.agents.agent import Agent, Surroundings
from hive.agents.records import AgentRecord, credential_key
from hive.alarm import trio_time
from hive.containers import destroy
from hive.link import LinkClosed, Peer
from hive.paths import Paths
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
from hive.wire import DEFAULT_CREDENTIAL, check_name, check_recipients

TELL_S = 5.0

REMINDERS = "reminders"
"""The child that an agent can work without."""


class NoSuchAgent(Exception):
    """No agent of this name exists; the text lists who does."""


@define(eq=False)
class Fleet:
    """Creates, starts and stops agents, and knows who exists."""

    around: Surroundings
    environment: Mapping[str, str]
    records: dict[str, AgentRecord] = field(factory=dict)
    live: dict[str, Agent] = field(factory=dict)
    supervisor: DynamicSupervisor = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.supervisor = DynamicSupervisor(load=self._load)

    def names(self) -> frozenset[str]:
        """Everybody to whom a message can be sent, running or not."""
        return frozenset(self.records)

    async def create(
        self,
        name: str,
        *,
        driver: str,
        model: str | None,
        credential: str = DEFAULT_CREDENTIAL,
        may_send: tuple[str, ...] | None = None,
    ) -> None:
        """Add an agent and start it.

        Raises ValueError, AgentExists, DriverUnavailable, and SupervisorError when it does not
        start; it exists then all the same and can be started again.
        """
        record = AgentRecord(
            check_name(name),
            driver,
            model,
            credential=credential,
            may_send=None if may_send is None else check_recipients(may_send),
        )
        await trio.to_thread.run_sync(self.around.driver(driver).check)
        await self.around.records.create(record)
        self.records[name] = record
        await self.tell()  # the others learn of it: their settings name whom they can write to
        await self._start(record)

    async def start(self, name: str) -> None:
        """Start a stopped agent; nothing happens to a running one."""
        record = await self._want(name, wanted=True)
        if name not in self.live:
            await self._start(record)

    async def stop(self, name: str) -> None:
        """End the agent's container in order; what it held goes back to its queue."""
        await self._want(name, wanted=False)
        await self._terminate(name)

    async def restart(self, name: str) -> None:
        """Stop and start; the next delivery carries on where this one was interrupted."""
        await self._want(name, wanted=True)
        await self._terminate(name)
        await self.start(name)

    async def use_credential(self, name: str, credential: str) -> AgentRecord:
        """From now on the agent uses this credential; raises NoSuchAgent, StoreError.

        Its harness learns of it by `tell`.
        """
        self.record(name)
        await self.around.records.use_credential(name, credential)
        if agent := self.live.get(name):
            agent.record = evolve(agent.record, credential=credential)
        self.records[name] = evolve(self.records[name], credential=credential)
        return self.records[name]

    async def allow(self, name: str, may_send: tuple[str, ...] | None) -> None:
        """From now on the agent may send to these (None: to all) and its manager and operator.

        Raises NoSuchAgent, ValueError, StoreError.
        """
        self.record(name)
        may_send = None if may_send is None else check_recipients(may_send)
        await self.around.records.allow(name, may_send)
        self.records[name] = evolve(self.records[name], may_send=may_send)
        if agent := self.live.get(name):
            agent.record = evolve(agent.record, may_send=may_send)
            if agent.peer is not None:
                await self._tell(agent, agent.peer)

    async def tell(self, key: str | None = None) -> None:
        """Give the agents behind this credential key (None: all) their settings anew, if connected.

        Others get them when they connect. The CLI takes them at its next turn.
        """
        async with trio.open_nursery() as nursery:
            for agent in self.live.values():
                if key in (None, credential_key(agent.record)) and agent.peer is not None:
                    nursery.start_soon(self._tell, agent, agent.peer)

    async def _tell(self, agent: Agent, peer: Peer) -> None:
        with trio.move_on_after(TELL_S) as deadline, suppress(LinkClosed):
            await peer.push(self.around.settings(agent.record))
        if deadline.cancelled_caught:
            await peer.close("it takes no settings: it gets them when it connects anew")

    @asynccontextmanager
    async def leaving(self, name: str, when: str) -> AsyncIterator[None]:
        """Inside, nobody can send to the stopped agent; afterwards it is no more.

        Its folder moves away, then its row goes. After a failure it is there as before. Raises
        NoSuchAgent, OSError, StoreError.
        """
        record, paths = self.record(name), self.around.paths
        del self.records[name]
        try:
            yield
            await trio.to_thread.run_sync(_put_away, paths, name, paths.destroyed(name, when))
            await self.around.records.delete(name)
        except BaseException:
            self.records[name] = record
            raise
        await self.tell()  # the others learn that it is no more

    def stop_containers(self) -> None:
        """From now on the end of an agent's subtree ends its container too."""
        for agent in self.live.values():
            agent.stopping = True

    def record(self, name: str) -> AgentRecord:
        """The agent's record; raises NoSuchAgent."""
        if name not in self.records:
            known = ", ".join(sorted(self.records)) or "none yet"
            raise NoSuchAgent(f"there is no agent {name!r}; there are: {known}")
        return self.records[name]

    async def _want(self, name: str, *, wanted: bool) -> AgentRecord:
        if self.record(name).wanted != wanted:
            await self.around.records.want(name, wanted)
            self.records[name] = evolve(self.records[name], wanted=wanted)
        return self.records[name]

    async def _start(self, record: AgentRecord) -> None:
        try:
            await self.supervisor.start_child(self._spec(record))
        except SupervisorError:
            self.live.pop(record.name, None)
            raise

    async def _terminate(self, name: str) -> None:
        if agent := self.live.get(name):
            agent.stopping = True
            await self.supervisor.terminate_child(name)
            await container.end_unwatched(agent, self.environment)
            self.live.pop(name, None)
            self.records[name] = evolve(agent.record, wanted=self.records[name].wanted)
            self.around.changed(name)

    async def _load(self) -> Sequence[ChildSpec]:
        self.records = {record.name: record for record in await self.around.records.all()}
        return [self._spec(record) for record in self.records.values() if record.wanted]

    def _spec(self, record: AgentRecord) -> ChildSpec:
        agent = Agent(
            record,
            self.around,
            park_ends=trio_time(record.park_until),
            failures=record.park_failures,
        )
        self.live[record.name] = agent
        grace = self.around.stop_grace + 3 * container.KILL_WAIT_S
        backoff = Backoff(min=0.2, max=60.0)
        subtree = Supervisor(
            [
                ChildSpec("socket", partial(socket.run, agent=agent), watchdog=15.0),
                ChildSpec(
                    "container",
                    partial(container.run, agent=agent, environment=self.environment),
                    grace=grace,
                    backoff=backoff,
                ),
                ChildSpec(
                    "serve", partial(serve.serve, agent=agent), watchdog=15.0, park_jitter=0.0
                ),
                ChildSpec(
                    REMINDERS,
                    partial(self.around.reminders.scheduler, agent=record.name),
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
    """Keep what the agent wrote: nothing is deleted but the records of its containers."""
    destroy(paths.root, name)
    to.parent.mkdir(mode=0o700, exist_ok=True)
    if paths.agent(name).exists():
        paths.agent(name).rename(to)
