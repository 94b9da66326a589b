"""The container child: starts or adopts the agent's container, watches it, detaches or ends it.

Restarting this child, its neighbours or the daemon never ends a container: it detaches and the
next incarnation adopts what runs. Only a stop that somebody asked for ends it.
"""

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import trio

from hive.agents.agent import Agent
from hive.containers import Container, Handle
from hive.link import LinkClosed
from hive.supervisors import Context
from hive.wire import Notice, StopHarness

KILL_WAIT_S = 5.0
LOG_TAIL = 400


class ContainerEnded(Exception):
    """The container ended although nobody asked for it."""


def describe(agent: Agent, environment: Mapping[str, str]) -> Container:
    """The container of one agent: its harness as the first process."""
    name, root = agent.name, agent.around.paths.root
    inside = agent.around.driver(agent.record.driver).inside(root, name)
    places = ("--base", str(inside.base), "--socket", str(inside.socket))
    wrap = ("--wrap", json.dumps(inside.wrap))
    return Container(
        name=name,
        root=root,
        argv=(sys.executable, "-m", "harness", "--name", name, *places, *wrap),
        environment=dict(environment),
        readonly=agent.around.readonly,
    )


async def run(ctx: Context, agent: Agent, environment: Mapping[str, str]) -> None:
    """One incarnation; raises ContainerEnded when the container ended by itself."""
    driver = agent.around.driver(agent.record.driver)
    container = describe(agent, environment)
    handle = await driver.adopt(container)
    if handle is None:
        await agent.holder_gone("its container is gone", count=True)
        handle = await driver.start(container)
    agent.restart_request = trio.Event()
    ctx.ready()
    agent.changed()
    try:
        await _watch(ctx, agent, handle)
    finally:
        if agent.stopping:
            with trio.move_on_after(agent.around.stop_grace + 2 * KILL_WAIT_S, shield=True):
                await _end(agent, handle)
        else:
            handle.detach()


async def end_unwatched(agent: Agent, environment: Mapping[str, str]) -> None:
    """End a container that no child watched when its agent was stopped (parked, in back-off)."""
    driver = agent.around.driver(agent.record.driver)
    handle = await driver.adopt(describe(agent, environment))
    if handle is not None:
        await _end(agent, handle)


async def _watch(ctx: Context, agent: Agent, handle: Handle) -> None:
    async with trio.open_nursery() as nursery:

        async def restart_when_asked() -> None:
            await agent.restart_request.wait()
            handle.kill()

        nursery.start_soon(restart_when_asked)
        status = await handle.wait()
        nursery.cancel_scope.cancel()
    await agent.holder_gone("its harness ended", count=not agent.stopping)
    last = agent.around.hide(await trio.to_thread.run_sync(_last_line, handle.log))
    why = f"{status}: {last}" if last else str(status)
    agent.publish(Notice(f"{agent.name}: container {why}"))
    raise ContainerEnded(why)


def _last_line(log: Path) -> str:
    """What the harness wrote last; its folder is not ours, so no link there is followed."""
    try:
        file = os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    with os.fdopen(file, "rb") as tail:
        tail.seek(max(0, os.fstat(file).st_size - LOG_TAIL))
        lines = tail.read(LOG_TAIL).decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:LOG_TAIL]


async def _end(agent: Agent, handle: Handle) -> None:
    """End the container in order: the harness first by its link, then by force."""
    if not await _asked_to_end(agent, handle, agent.around.stop_grace):
        await trio.to_thread.run_sync(handle.kill)
        await handle.wait()
    await agent.holder_gone("stopped", count=False)


async def _asked_to_end(agent: Agent, handle: Handle, grace: float) -> bool:
    if agent.peer is None:
        return False
    with trio.move_on_after(grace + 1.0), suppress(LinkClosed):
        await agent.peer.push(StopHarness(grace=grace))
        await handle.wait()
        return True
    return False
