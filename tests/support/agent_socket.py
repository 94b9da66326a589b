"""One agent whose socket listens, with broker, records and store; its harnesses are a test's."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from support.directories import Named
from support.no_limits import NoLimits

from hive.agents import Agent, AgentDependencies, AgentsConfig, ClaudeConfig
from hive.agents import socket as agent_socket
from hive.approvals import ApprovalService
from hive.broker import Broker, Draft
from hive.config_repos import ConfigRepositories
from hive.credentials import ApiAccess, CurrentAccess
from hive.directory import AgentRecord, Directory
from hive.link import LinkLimits, Peer, connect
from hive.paths import Paths
from hive.questions import QuestionService
from hive.redact import Secrets
from hive.reminders import ReminderService, StateFolder
from hive.schedules import ScheduleService
from hive.store import MIGRATIONS, open_store
from hive.supervisors import Context
from hive.wake_ups import WakeUpService
from hive.wire.bodies import Body
from hive.wire.codec import PROTOCOL
from hive.wire.events import Event
from hive.wire.frames import Hello
from hive.wire.names import OPERATOR
from hive.wire.turns import Take, Taken

GRACE = 0.3
KEY = "key-77ab01de55f4477c"
"""A credential of the hive."""


class Fixture:
    """One agent `scout` whose socket listens; its harnesses are the test's own links."""

    def __init__(
        self,
        agent: Agent,
        broker: Broker,
        published: list[tuple[str | None, Event]],
        limits: NoLimits,
        stamps: list[float | None],
    ) -> None:
        self.agent, self.broker, self.published, self.limits = agent, broker, published, limits
        self.stamps = stamps
        """When each published event of the agent happened, as was told."""

    def link(
        self, instance: str, *, lease: str | None = None, role: str = "harness"
    ) -> AbstractAsyncContextManager[Any]:
        path = self.agent.dependencies.paths.socket("scout")
        hello = Hello(PROTOCOL, role, instance, lease=lease)
        return connect(path, hello, limits=LinkLimits(close=0.1))

    async def mail(self, body: str = "work") -> int:
        return await self.broker.send(Draft(OPERATOR, "scout", body))

    async def state(self, number: int) -> tuple[str, int, bool]:
        message = await self.broker.message(number)
        assert message is not None
        return message.state.value, message.attempts, message.redelivered


async def ask(peer: Peer, body: Body) -> Any:
    return await peer.request(body, timeout=5)


async def take(peer: Peer, wait: float = 5) -> Taken:
    answer = await peer.request(Take(wait), timeout=wait + 10)
    assert isinstance(answer, Taken)
    return answer


@asynccontextmanager
async def running(root: Path) -> AsyncIterator[Fixture]:
    published: list[tuple[str | None, Event]] = []
    paths = Paths(root)
    paths.prepare()
    limits = NoLimits()
    secrets = Secrets()
    secrets.learn(KEY, "of credential default")
    async with open_store(paths.database, MIGRATIONS) as store:
        broker = Broker(
            store,
            publish=lambda agent, event: published.append((agent, event)),
            directory=Named(lambda: {"scout", "ann"}),
            urgent=lambda name: None,
        )
        await broker.load()
        quiet: Any = lambda *_: None  # noqa: E731
        state_folder = StateFolder(root / "state", Path("/agents/scout/state"))
        wake_ups = WakeUpService(store, broker)
        await wake_ups.load()
        stamps: list[float | None] = []

        def publish(agent: str | None, event: Event, at: float | None = None, /) -> None:
            published.append((agent, event))
            stamps.append(at)

        directory = Directory(store)
        dependencies = AgentDependencies(
            paths=paths,
            config=AgentsConfig(stop_grace_s=1, reconnect_grace_s=GRACE),
            claude=Path("/claude"),
            claude_config=ClaudeConfig(),
            access=CurrentAccess(ApiAccess(), paths.credentials, secrets),
            broker=broker,
            questions=QuestionService(store, broker, Named(lambda: {"scout", "ann"})),
            wake_ups=wake_ups,
            directory=directory,
            reminders=ReminderService(
                store, broker, state_folder=lambda _: state_folder, publish=quiet
            ),
            schedules=ScheduleService(store, broker, Named(lambda: {"scout"}), publish=quiet),
            approvals=ApprovalService(
                store, broker, directory, ConfigRepositories(paths, bwrap=None), publish=publish
            ),
            driver=lambda name: pytest.fail("no container here"),
            limits=limits,
            publish=publish,
            changed=lambda name: None,
            readonly=(),
            redact=secrets.redact_value,
        )
        await dependencies.directory.load()
        if "scout" not in dependencies.directory.known:
            await dependencies.directory.create(AgentRecord("scout", "none"))
        agent = Agent("scout", dependencies)
        agent.open.set()
        async with trio.open_nursery() as nursery:
            ctx = Context("hive/agents/scout/socket")
            nursery.start_soon(partial(agent_socket.run, agent=agent), ctx)
            with trio.fail_after(5):
                while ctx.ready_at is None:
                    await trio.testing.wait_all_tasks_blocked(0.01)
            yield Fixture(agent, broker, published, limits, stamps)
            nursery.cancel_scope.cancel()
