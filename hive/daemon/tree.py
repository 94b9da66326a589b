"""The daemon's tree: every part of the hive as a supervised child, in the order of dependence."""

import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import TextIO

import orjson
import trio

from hive.address import Address
from hive.agents import Fleet, Publish
from hive.broker import Broker, Draft
from hive.containers import Driver
from hive.credentials import ApiAccess, demo_access
from hive.daemon import control, orphans, root_folder
from hive.daemon.children import END_S, SILENCE_S, child_process
from hive.daemon.clock_jumps import MachineClocks, jumps
from hive.daemon.hive import Hive
from hive.directory import MANAGER, Directory
from hive.files import bounded_number, read_small
from hive.operator.destroy import Destroyer
from hive.operator.tree import OperatedTree
from hive.paths import Paths
from hive.store import StoreError
from hive.supervisors import (
    Backoff,
    ChildSpec,
    Context,
    LoopWatchdog,
    Restart,
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


def children(hive: Hive, stacks: TextIO, place: str) -> list[ChildSpec]:
    """Return the children of the hive's root supervisor, in the order of their start.

    `stacks` gets the stacks of all threads when the event loop is blocked. `place` is that of the
    root folder, as `place_of` gives it. The children's ids are those that operators see.

    A part that fails takes along those that were started after it, because they use it. That
    costs no turn: the containers are only let go of, and adopted again.
    """
    options, paths = hive.options, hive.options.paths
    watch_root = partial(root_folder.watch, paths=paths, place=place, stop=hive.stop)
    run_store = partial(root_folder.run_store, store=hive.store, stop=hive.stop)
    specs = [
        ChildSpec("ground", watch_root),
        ChildSpec("store", run_store, grace=30.0),
        ChildSpec("events", hive.events.run),
        ChildSpec("broker", hive.broker.run),
        ChildSpec("budgets", hive.budgets.run),
        supervisor_spec("gate", hive.gates.supervisor),
        ChildSpec("limits", hive.limits.run),
        ChildSpec("questions", hive.questions.run),
        ChildSpec("wake-ups", hive.wake_ups.run),
    ]
    if options.demo:
        demo = partial(_demo, paths=paths, use=hive.access.use)
        specs.append(
            ChildSpec("demo", demo, grace=2 * END_S, watchdog=SILENCE_S, backoff=Backoff(min=0.2))
        )
    first_steps = partial(
        _first_steps,
        directory=hive.directory,
        fleet=hive.fleet,
        broker=hive.broker,
        demo=options.demo,
    )
    specs += [
        supervisor_spec("agents", hive.fleet.supervisor),
        ChildSpec("states", hive.states.run),
        ChildSpec("first-steps", first_steps),
        ChildSpec("control", control.operator(hive)),
        ChildSpec("web-socket", control.web(hive)),
    ]
    if options.web is not None:
        specs.append(_web(paths, options.web, options.say))
    follow_host = partial(_follow_host, paths=paths, drivers=options.drivers.values())
    watch_clocks = partial(_watch_clocks, publish=hive.publisher.publish, tree=hive.tree)
    cut_off = partial(_complete_what_was_cut_off, fleet=hive.fleet, destroyer=hive.destroyer)
    announce = partial(_announce, directory=hive.directory, say=options.say)
    specs += [
        ChildSpec("reminders", hive.reminders.run, grace=15.0, park_on_exhausted=True),
        ChildSpec("schedules", hive.schedules.run, grace=15.0, park_on_exhausted=True),
        ChildSpec("approvals", hive.approvals.run, grace=15.0, park_on_exhausted=True),
        ChildSpec("disk", hive.disk.run, park_on_exhausted=True),
        ChildSpec("janitor", hive.janitor.run, park_on_exhausted=True),
        ChildSpec("host", follow_host, park_on_exhausted=True),
        ChildSpec("loop-watchdog", LoopWatchdog(BLOCKED_LOOP_S, file=stacks).run),
        ChildSpec("clocks", watch_clocks),
        ChildSpec("cut-off", cut_off, Restart.TEMPORARY),
        *([ChildSpec("orphans", orphans.run, park_on_exhausted=True)] if orphans.adopts() else ()),
        ChildSpec("parks", partial(_restore_parks, tree=hive.tree), Restart.TEMPORARY),
        ChildSpec("announce", announce, Restart.TEMPORARY),
    ]
    return specs


def _web(paths: Paths, address: Address, say: Callable[[str], None]) -> ChildSpec:
    """The page's process, with a restart intensity of its own: it never takes the hive down."""
    argv = (sys.executable, "-m", "web", "--socket", str(paths.web), "--bind", str(address))
    run = partial(child_process, argv=(*argv, "--lifeline"), say=say)
    return ChildSpec("web", run, grace=2 * END_S, watchdog=SILENCE_S, park_on_exhausted=True)


async def _demo(ctx: Context, paths: Paths, use: Callable[[ApiAccess], None]) -> None:
    """The scripted model, on the port of the last time so that adopted agents find it again."""
    file = paths.demo_port
    try:
        port = bounded_number(read_small(file).decode("ascii", "replace"), 0, 65535) or 0
    except OSError:
        port = 0

    def started(line: str) -> None:
        found: int = orjson.loads(line)["port"]
        file.write_text(str(found))
        use(demo_access(found))

    try:
        argv = (sys.executable, "-m", "hive.demo", "--port", str(port))
        await child_process(ctx, argv=argv, say=lambda _: None, started=started)
    finally:
        if ctx.ready_at is None:  # somebody else has that port now: choose a new one
            file.unlink(missing_ok=True)


async def _first_steps(
    ctx: Context, directory: Directory, fleet: Fleet, broker: Broker, demo: bool
) -> None:
    """A first start creates the manager; the demo has its two agents and something to see."""
    there = directory.names()
    first = () if there else (MANAGER,)
    for name in (MANAGER, DEMO_WORKER) if demo else first:
        if name not in there:
            await fleet.create(Spawn(name))
    if demo:  # the key makes it once in the life of a root
        await broker.send(Draft(OPERATOR, MANAGER, DEMO_WELCOME, key="demo-welcome"))
    ctx.ready()
    await trio.sleep_forever()


async def _watch_clocks(ctx: Context, publish: Publish, tree: OperatedTree) -> None:
    """Say that time has jumped, and let the operator's parks end by the wall clock all the same."""
    ctx.ready()
    before = MachineClocks.now()
    while True:
        await trio.sleep(CLOCKS_EVERY_S)
        after = MachineClocks.now()
        for text in jumps(before, after):
            publish(None, Notice(text))
            try:
                await tree.renew_parks()
            except StoreError as error:
                ctx.note(f"parks may last longer than until their time: {error}"[:200])
        before = after


async def _complete_what_was_cut_off(ctx: Context, fleet: Fleet, destroyer: Destroyer) -> None:
    await fleet.end_leftovers()
    await destroyer.complete_all()
    ctx.ready()


async def _follow_host(ctx: Context, paths: Paths, drivers: Iterable[Driver]) -> None:
    """Containers outlive changes of the host's network: they see its new files within seconds."""
    ctx.ready()
    while True:
        try:
            for driver in drivers:
                await driver.refresh(paths.root)
            ctx.note(None)
        except OSError as error:  # such as a full disk: what they see is old until it works again
            ctx.note(f"containers see an old /etc: {error}"[:200])
        ctx.tick()
        await trio.sleep(FOLLOW_HOST_S)


async def _restore_parks(ctx: Context, tree: OperatedTree) -> None:
    await tree.restore_parks()
    ctx.ready()


async def _announce(ctx: Context, directory: Directory, say: Callable[[str], None]) -> None:
    """The last child: all before it are ready."""
    say(f"Ready: {len(directory.names())} agents. Ctrl-C stops the hive.")
    ctx.ready()
