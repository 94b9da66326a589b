"""The container child: starts or adopts the agent's container, watches it, detaches or ends it.

Restarting this child, its neighbours or the daemon never ends a container: it detaches and the
next incarnation adopts what runs. Only a stop that somebody asked for ends it.
"""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import trio

from hive.agents.agent import SILENT_S, Agent
from hive.containers import Container, Driver, Handle
from hive.directory import MANAGER, Directory, NoSuchAgent
from hive.link import LinkClosed
from hive.paths import AgentFolders, Paths
from hive.reminders import StateFolder
from hive.supervisors import Context
from hive.wire.daemon import Notice
from hive.wire.harness import StopHarness

KILL_WAIT_S = 5.0
LOOK_S = 5.0
"""Between two looks at a container's records and folders, and at how long its harness has been
silent (or a quarter of what is allowed)."""
LOG_TAIL = 400
FAULT = "HIVE_FAULT"


class ContainerEnded(Exception):
    """The container ended although nobody asked for it."""


def describe(agent: Agent) -> Container:
    """Return the container of one agent, whose first process is its harness."""
    name, root = agent.name, agent.dependencies.paths.root
    inside = agent.dependencies.driver(agent.record.driver).inside(root, name)
    places = ("--base", str(inside.base), "--socket", str(inside.socket))
    wrap = ("--wrap", json.dumps(inside.wrap))
    others = agent.dependencies.directory.known if name == MANAGER else ()
    return Container(
        name=name,
        root=root,
        argv=(sys.executable, "-m", "harness", "--name", name, *places, *wrap),
        environment=_environment(),
        readonly=agent.dependencies.readonly,
        configures=tuple(other for other in others if other != name),
    )


def state_folder(
    name: str, directory: Directory, paths: Paths, driver: Callable[[str], Driver]
) -> StateFolder:
    """Return an agent's state folder, here and as its container sees it.

    Raises OSError when there is no such agent, UnknownDriver when its driver is no more.
    """
    try:
        record = directory.record(name)
    except NoSuchAgent as error:  # it is being destroyed
        raise OSError(str(error)) from None
    inside = driver(record.driver).inside(paths.root, name)
    return StateFolder(paths.agent(name).state, AgentFolders(inside.base).state)


def _environment() -> dict[str, str]:
    """Of the daemon's own environment, only the fault that a test injects into harnesses."""
    fault = {FAULT: os.environ[FAULT]} if FAULT in os.environ else {}
    # Few threads that do little: a heap for each of them would only cost memory.
    memory = {"MALLOC_ARENA_MAX": "1"}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **memory, **fault}


async def run(ctx: Context, agent: Agent) -> None:
    """The supervised child: starts or adopts the container, and watches it.

    Raises ContainerEnded when it ended although nobody asked for that, and as the driver does.
    """
    driver = agent.dependencies.driver(agent.record.driver)
    container = describe(agent)
    handle = await driver.adopt(container)
    if handle is None:
        await agent.holder_gone("its container is gone", count=True)
        handle = await driver.start(container)
    agent.restart_request = trio.Event()
    agent.has_connected = False
    agent.heard_at = trio.current_time()
    ctx.ready()
    agent.changed()
    try:
        await _watch(ctx, agent, handle)
    finally:
        agent.heard_at = None
        if agent.stopping:
            with trio.move_on_after(
                agent.dependencies.config.stop_grace_s + 3 * KILL_WAIT_S, shield=True
            ):
                await _end(agent, handle)
        else:
            handle.detach()


async def end_unwatched(agent: Agent) -> None:
    """End the container of an agent whose `container` child is parked or in back-off.

    Raises as the driver does, and StoreError.
    """
    driver = agent.dependencies.driver(agent.record.driver)
    handle = await driver.adopt(describe(agent))
    if handle is not None:
        await _end(agent, handle)


async def _watch(ctx: Context, agent: Agent, handle: Handle) -> None:
    async with trio.open_nursery() as nursery:

        async def kill_when_unwanted() -> None:
            await _until_unwanted(ctx, agent)
            await _kill(handle)

        nursery.start_soon(kill_when_unwanted)
        nursery.start_soon(_look_after, agent, handle)
        status = await handle.wait()
        nursery.cancel_scope.cancel()
    await agent.holder_gone("its harness ended", count=not agent.stopping)
    last = agent.dependencies.redact(await trio.to_thread.run_sync(_last_line, handle.log))
    why = f"{status}: {last}" if last else str(status)
    agent.publish(Notice(f"{agent.name}: container {why}"))
    raise ContainerEnded(why)


async def _look_after(agent: Agent, handle: Handle) -> None:
    """Keep the container's records; restart it, between turns, when it sees a folder of old.

    What somebody removes or replaces stays in the container's sight as it was, and nobody else's:
    it would never find a new socket of the daemon.
    """
    published = ""
    while True:
        await trio.sleep(LOOK_S)
        try:
            lost = handle.look_after()
        except OSError as error:
            if published != str(error):
                published = str(error)
                agent.publish(
                    Notice(f"{agent.name}: its container's record cannot be written: {error}")
                )
            continue
        if lost is not None:
            agent.close()  # no other turn begins
            if agent.lease is None:
                break
    agent.publish(
        Notice(
            f"{agent.name}: {lost} was removed or replaced while its container ran, which still "
            "sees the former folder: the container is restarted"
        )
    )
    agent.restart_request.set()


async def _until_unwanted(ctx: Context, agent: Agent) -> None:
    """Return when the container must be restarted: somebody asks, or its harness is silent."""
    waited = agent.why_waiting
    while True:
        silent = agent.silent_for
        note = f"its harness has not answered for {silent:.0f} s"
        is_new = silent > SILENT_S and ctx.note_text is None
        ctx.note(note if silent > SILENT_S else None)
        if is_new:
            agent.changed()
        if silent > agent.silence_limit:
            agent.publish(Notice(f"{agent.name}: {note}: it is restarted"))
            return
        before, waited = waited, agent.why_waiting
        if before is not None and waited is None:
            agent.wake_serve()  # no time is as good as the wall clock's: the machine may have slept
        with trio.move_on_after(min(LOOK_S, agent.silence_limit / 4)):
            await agent.restart_request.wait()
            return


async def _kill(handle: Handle) -> None:
    """Kill the container, and its keeper as well if that does not end then (it may be stopped)."""
    for _ in range(2):
        await handle.kill()
        with trio.move_on_after(KILL_WAIT_S):
            await handle.wait()
            return


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
    if not await _asked_to_end(agent, handle, agent.dependencies.config.stop_grace_s):
        await _kill(handle)
    await agent.holder_gone("stopped", count=False)


async def _asked_to_end(agent: Agent, handle: Handle, grace: float) -> bool:
    if agent.peer is None:
        return False
    with trio.move_on_after(grace + 1.0), suppress(LinkClosed):
        await agent.peer.push(StopHarness(grace=grace))
        await handle.wait()
        return True
    return False
