"""The daemon's tree: every part of the hive as a supervised child, in the order of dependence."""

import sys
from functools import partial
from typing import TextIO

import orjson
import trio

from hive.broker import Draft
from hive.daemon import control, credentials, hand
from hive.daemon.children import child_process
from hive.daemon.hive import Hive
from hive.supervisors import (
    Backoff,
    Budget,
    ChildSpec,
    Context,
    LoopWatchdog,
    Restart,
    Strategy,
    Supervisor,
    supervisor_spec,
)
from hive.wire import OPERATOR, Spawn

BLOCKED_LOOP_S = 2.0
MANAGER = "manager"
DEMO_WORKER = "worker-1"
DEMO_WELCOME = (
    "Welcome! This is the demo: please greet worker-1, ask it to introduce itself, "
    "and send me a short summary of what it says."
)


def build(hive: Hive, stacks: TextIO) -> Supervisor:
    """The root supervisor; `stacks` gets all stacks when the loop is blocked.

    A part that fails takes along those that were started after it, because they use it. That
    costs no turn: the containers are only let go of, and adopted again.
    """
    options = hive.options
    children = [
        ChildSpec("store", hive.store.run, grace=30.0),
        ChildSpec("events", hive.events.run),
        ChildSpec("broker", hive.broker.run),
        ChildSpec("budgets", hive.budgets.run),
        supervisor_spec("gate", hive.gates.supervisor),
        ChildSpec("limits", hive.limits.run),
        ChildSpec("questions", hive.desk.run),
    ]
    if options.demo:
        children.append(ChildSpec("demo", partial(_demo, hive), backoff=Backoff(min=0.2)))
    children += [
        supervisor_spec("agents", hive.fleet.supervisor),
        ChildSpec("states", hive.announce_states),
        ChildSpec("first-steps", partial(_first_steps, hive)),
        ChildSpec("control", partial(control.operator, hive=hive)),
        ChildSpec("web-socket", partial(control.web, hive=hive)),
    ]
    if options.web is not None:
        children.append(_web(hive, *options.web))
    children += [
        ChildSpec("reminders", hive.reminders.run, grace=15.0, park_on_exhausted=True),
        ChildSpec("schedules", hive.schedules.run, grace=15.0, park_on_exhausted=True),
        ChildSpec("disk", hive.disk.run, park_on_exhausted=True),
        ChildSpec("janitor", hive.janitor.run, park_on_exhausted=True),
        ChildSpec("loop-watchdog", LoopWatchdog(BLOCKED_LOOP_S, file=stacks).run),
        ChildSpec("parks", partial(_restore_parks, hive), Restart.TEMPORARY),
        ChildSpec("announce", partial(_announce, hive), Restart.TEMPORARY),
    ]
    root = Supervisor(
        children, strategy=Strategy.REST_FOR_ONE, budget=Budget(intensity=5, period=60.0)
    )
    hive.root = root
    return root


def _web(hive: Hive, host: str, port: int) -> ChildSpec:
    """The page's process, with a budget of its own: it never takes the hive down."""
    socket, bind = str(hive.paths.web), f"{host}:{port}"
    argv = (sys.executable, "-m", "web", "--socket", socket, "--bind", bind, "--lifeline")
    run = partial(child_process, argv=argv, say=hive.options.say)
    return ChildSpec("web", run, park_on_exhausted=True)


async def _demo(hive: Hive, ctx: Context) -> None:
    """The scripted model, on the port of the last time so that adopted agents find it again."""
    file = hive.paths.demo_port
    port = file.read_text() if file.exists() else "0"

    def started(line: str) -> None:
        found: int = orjson.loads(line)["port"]
        file.write_text(str(found))
        hive.use_api(credentials.demo(found))

    try:
        argv = (sys.executable, "-m", "hive.demo", "--port", port)
        await child_process(ctx, argv=argv, say=lambda _: None, started=started)
    finally:
        if ctx.ready_at is None:  # somebody else has that port now: choose a new one
            file.unlink(missing_ok=True)


async def _first_steps(hive: Hive, ctx: Context) -> None:
    """A first start creates the manager; the demo has its two agents and something to see."""
    there = hive.fleet.names()
    first = () if there else (MANAGER,)
    for name in (MANAGER, DEMO_WORKER) if hive.options.demo else first:
        if name not in there:
            await hive.spawn(Spawn(name))
    if hive.options.demo:  # the key makes it once in the life of a root
        await hive.broker.send(Draft(OPERATOR, MANAGER, DEMO_WELCOME, key="demo-welcome"))
    ctx.ready()
    await trio.sleep_forever()


async def _restore_parks(hive: Hive, ctx: Context) -> None:
    await hand.restore_parks(hive)
    ctx.ready()


async def _announce(hive: Hive, ctx: Context) -> None:
    """The last child: all before it are ready."""
    hive.options.say(f"Ready: {len(hive.fleet.names())} agents. Ctrl-C stops the hive.")
    ctx.ready()
