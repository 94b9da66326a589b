"""Program: the sockets of N agents with broker and store, and nothing behind them.

No gate and no budget holds anybody, and broadcasts are as good as unlimited. Arguments: root,
number of agents, jobs in one commit. Prints the sockets' paths as JSON when they listen; ends with
its standard input.
"""

import json
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import trio
from support.directories import Named
from support.no_limits import NoLimits

from hive.agents import Agent, AgentDependencies, AgentsConfig, ClaudeConfig
from hive.agents import socket as agent_socket
from hive.approvals import ApprovalService
from hive.broker import Broker, Rate
from hive.config_repos import ConfigRepositories
from hive.credentials import ApiAccess, CurrentAccess
from hive.directory import AgentRecord, Directory
from hive.events import Hub
from hive.paths import Paths
from hive.questions import QuestionService
from hive.redact import Secrets
from hive.reminders import ReminderService
from hive.schedules import ScheduleService
from hive.store import MIGRATIONS, Store, writer
from hive.supervisors import ChildSpec, Supervisor, run_root
from hive.wake_ups import WakeUpService


def main(root: Path, agents: int, batch: int) -> None:
    writer.MAX_BATCH = batch
    paths = Paths(root)
    paths.prepare()
    names = [f"agent-{number}" for number in range(agents)]
    store = Store(paths.database, MIGRATIONS)
    hub = Hub(store)
    often = Rate(burst=1_000, every=0.001)
    broker = Broker(store, publish=hub.publish, directory=Named(lambda: names), broadcasts=often)
    quiet = cast(Any, lambda *_: None)
    directory = Directory(store)
    repositories = ConfigRepositories(paths, bwrap=None)
    dependencies = AgentDependencies(
        paths=paths,
        config=AgentsConfig(stop_grace_s=1.0),
        claude=Path("/claude"),
        claude_config=ClaudeConfig(),
        access=CurrentAccess(ApiAccess(), paths.credentials, Secrets()),
        broker=broker,
        questions=QuestionService(store, broker, Named(lambda: names)),
        wake_ups=WakeUpService(store, broker),
        directory=directory,
        reminders=ReminderService(store, broker, state_folder=quiet, publish=hub.publish),
        schedules=ScheduleService(store, broker, Named(lambda: names), publish=hub.publish),
        approvals=ApprovalService(store, broker, directory, repositories, publish=hub.publish),
        driver=lambda _: SimpleNamespace(),  # no container is started
        limits=NoLimits(),
        publish=hub.publish,
        changed=lambda _: None,
        readonly=(),
        redact=lambda value: value,
    )
    children = [
        ChildSpec("store", store.run),
        ChildSpec("events", hub.run),
        ChildSpec("broker", broker.run),
    ]
    children.append(
        ChildSpec("agents", partial(create, records=dependencies.directory, names=names))
    )
    for name in names:
        agent = Agent(name, dependencies)
        agent.open.set()  # it may take work at once
        children.append(ChildSpec(name, partial(agent_socket.run, agent=agent)))
    stop = trio.Event()
    sockets = [str(paths.socket(name)) for name in names]
    children.append(ChildSpec("input", partial(announce, sockets=sockets, stop=stop)))
    trio.run(partial(run_root, Supervisor(children), name="bench", stop=stop, sink=lambda _: None))


async def create(ctx, records: Directory, names: list[str]) -> None:  # type: ignore[no-untyped-def]
    for name in names:
        await records.create(AgentRecord(name, "none"))
    ctx.ready()
    await trio.sleep_forever()


async def announce(ctx, sockets: list[str], stop: trio.Event) -> None:  # type: ignore[no-untyped-def]
    ctx.ready()
    print(json.dumps(sockets), flush=True)
    await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
    stop.set()
    await trio.sleep_forever()


main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
