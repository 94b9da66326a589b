"""The daemon's tree: every part of the hive as a supervised child, in the order of dependence."""

import sys
from functools import partial
from typing import TextIO

import orjson
import trio

from hive.address import Address
from hive.broker import Draft
from hive.daemon import control, credentials, ground, orphans
from hive.daemon.children import END_S, SILENCE_S, child_process
from hive.daemon.clocks import Clocks, jumps
from hive.daemon.hive import Hive
from hive.directory import MANAGER
from hive.files import number, read_small
from hive.store import StoreError
from hive.supervisors import (
    Backoff,
    ChildSpec,
    Context,
    LoopWatchdog,
    Restart,
    RestartIntensity,
    Strategy,
    Supervisor,
    supervisor_spec,
)
from hive.wire.agents import Spawn
from hive.wire.daemon import Notice
from hive.wire.names import OPERATOR

BLOCKED_LOOP_S = 2.0
CLOCKS_EVERY_S = 10.0
FOLLOW_HOST_S = 5.0
DEMO_WORKER = "worker-1"
DEMO_WELCOME = (
    "Welcome! This is the demo: please greet worker-1, ask it to introduce itself, "
    "and send me a short summary of what it says."
)


def build(hive: Hive, stacks: TextIO, place: str) -> Supervisor:
    """The root supervisor; `stacks` gets all stacks when the loop is blocked.

    `place` is that of the root folder, as `place_of` gives it.

    A part that fails takes along those that were started after it, because they use it. That
    costs no turn: the containers are only let go of, and adopted again.
    """
    options = hive.options
    children = [
        ChildSpec("ground", partial(ground.watch, hive=hive, place=place)),
        ChildSpec("store", partial(ground.store, hive=hive), grace=30.0),
        ChildSpec("events", hive.events.run),
        ChildSpec("broker", hive.broker.run),
        ChildSpec("budgets", hive.budgets.run),
        supervisor_spec("gate", hive.gates.supervisor),
        ChildSpec("limits", hive.limits.run),
        ChildSpec("questions", hive.desk.run),
    ]
    if options.demo:
        demo = partial(_demo, hive)
        children.append(
            ChildSpec("demo", demo, grace=2 * END_S, watchdog=SILENCE_S, backoff=Backoff(min=0.2))
        )
    children += [
        supervisor_spec("agents", hive.fleet.supervisor),
        ChildSpec("states", hive.states.run),
        ChildSpec("first-steps", partial(_first_steps, hive)),
        ChildSpec("control", partial(control.operator, hive=hive)),
        ChildSpec("web-socket", partial(control.web, hive=hive)),
    ]
    if options.web is not None:
        children.append(_web(hive, options.web))
    children += [
        ChildSpec("reminders", hive.reminders.run, grace=15.0, park_on_exhausted=True),
        ChildSpec("schedules", hive.schedules.run, grace=15.0, park_on_exhausted=True),
        ChildSpec("disk", hive.disk.run, park_on_exhausted=True),
        ChildSpec("janitor", hive.janitor.run, park_on_exhausted=True),
        ChildSpec("host", partial(_follow_host, hive), park_on_exhausted=True),
        ChildSpec("loop-watchdog", LoopWatchdog(BLOCKED_LOOP_S, file=stacks).run),
        ChildSpec("clocks", partial(_watch_clocks, hive)),
        ChildSpec("cut-off", partial(_complete_what_was_cut_off, hive), Restart.TEMPORARY),
        *([ChildSpec("orphans", orphans.run, park_on_exhausted=True)] if orphans.adopts() else ()),
        ChildSpec("parks", partial(_restore_parks, hive), Restart.TEMPORARY),
        ChildSpec("announce", partial(_announce, hive), Restart.TEMPORARY),
    ]
    root = Supervisor(
        children,
        strategy=Strategy.REST_FOR_ONE,
        intensity=RestartIntensity(intensity=5, period=60.0),
    )
    hive.root = root
    return root


def _web(hive: Hive, address: Address) -> ChildSpec:
    """The page's process, with a budget of its own: it never takes the hive down."""
    socket, bind = str(hive.paths.web), str(address)
    argv = (sys.executable, "-m", "web", "--socket", socket, "--bind", bind, "--lifeline")
    run = partial(child_process, argv=argv, say=hive.options.say)
    return ChildSpec("web", run, grace=2 * END_S, watchdog=SILENCE_S, park_on_exhausted=True)


async def _demo(hive: Hive, ctx: Context) -> None:
    """The scripted model, on the port of the last time so that adopted agents find it again."""
    file = hive.paths.demo_port
    try:
        port = number(read_small(file).decode("ascii", "replace"), 0, 65535) or 0
    except OSError:
        port = 0

    def started(line: str) -> None:
        found: int = orjson.loads(line)["port"]
        file.write_text(str(found))
        hive.use_api(credentials.demo(found))

    try:
        argv = (sys.executable, "-m", "hive.demo", "--port", str(port))
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


async def _watch_clocks(hive: Hive, ctx: Context) -> None:
    """Say that time has jumped, and let the operator's parks end by the wall clock all the same."""
    ctx.ready()
    before = Clocks.now()
    while True:
        await trio.sleep(CLOCKS_EVERY_S)
        after = Clocks.now()
        for text in jumps(before, after):
            hive.publish(None, Notice(text))
            try:
                await control.operated_tree(hive).renew_parks()
            except StoreError as error:
                ctx.note(f"parks may last longer than until their time: {error}"[:200])
        before = after


async def _complete_what_was_cut_off(hive: Hive, ctx: Context) -> None:
    await hive.fleet.end_leftovers()
    await control.destroyer(hive).complete_all()
    ctx.ready()


async def _follow_host(hive: Hive, ctx: Context) -> None:
    """Containers outlive changes of the host's network: they see its new files within seconds."""
    ctx.ready()
    while True:
        try:
            for driver in hive.options.drivers.values():
                await driver.refresh(hive.paths.root)
            ctx.note(None)
        except OSError as error:  # such as a full disk: what they see is old until it works again
            ctx.note(f"containers see an old /etc: {error}"[:200])
        ctx.tick()
        await trio.sleep(FOLLOW_HOST_S)


async def _restore_parks(hive: Hive, ctx: Context) -> None:
    await control.operated_tree(hive).restore_parks()
    ctx.ready()


async def _announce(hive: Hive, ctx: Context) -> None:
    """The last child: all before it are ready."""
    hive.options.say(f"Ready: {len(hive.fleet.names())} agents. Ctrl-C stops the hive.")
    ctx.ready()
