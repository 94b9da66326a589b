"""What `hive up` and `hive daemon` do: check everything first, then run the tree."""

import logging
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

import trio

from hive import logs
from hive.address import Address
from hive.clock import LoopClock
from hive.containers import (
    Bubblewrap,
    ContainerError,
    UnknownDriver,
    UnsafeProcess,
    driver_named,
    kill_container,
    known_names,
)
from hive.credentials import BadCredential, kept, resolve
from hive.daemon import config, root_folder
from hive.daemon.claude import ClaudeMissing, check_version, find_claude
from hive.daemon.config import ConfigError
from hive.daemon.hive import Options, build
from hive.daemon.lock import RootLocked, root_lock
from hive.daemon.tree import children
from hive.operator.tree import TREE
from hive.output import Output
from hive.paths import BadRoot, Paths, check_root
from hive.rlimits import NEEDS, LimitTooLow, raise_limits
from hive.store import StoreError
from hive.supervisors import Event, log_sink, run_root

log = logging.getLogger("hive")

say = Output(1)
"""One line for the operator's terminal."""

NO_CREDENTIALS = (
    "no credentials: set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN, or write "
    "[credentials.default] in hive.toml, or start with --demo for a scripted model"
)


class CannotStart(Exception):
    """The hive cannot start, or not go on; the text says what is wrong and what to do."""


def options(
    root: Path,
    environment: Mapping[str, str],
    *,
    config_file: Path | None = None,
    web: Address | None = None,
    demo: bool = False,
    demo_if_no_credentials: bool = False,
    unsafe_no_container: bool = False,
    stop_containers: bool = False,
) -> Options:
    """Check all that can be checked before anything starts (blocks); raises CannotStart.

    With `stop_containers` (`hive up`) the agents' containers end with the hive; without it
    (`hive daemon`) they go on and the next daemon adopts them.
    """
    try:
        paths = Paths(check_root(root, to_run=True))
        settings = config.load(config_file or paths.config, required=config_file is not None)
        api = resolve(settings.credentials, environment, kept(paths.credentials))
        claude = find_claude(settings.claude.path, environment.get("PATH"))
        check_version(claude)
        kinds = (Bubblewrap(), UnsafeProcess(allowed=unsafe_no_container))
        drivers = {kind.name: kind for kind in kinds}
        driver = driver_named(settings.agents.driver, drivers)
        driver.check()
    except (
        BadRoot,
        ConfigError,
        BadCredential,
        ClaudeMissing,
        ContainerError,
        UnknownDriver,
    ) as error:
        raise CannotStart(str(error)) from None
    if not api and not demo:
        if not demo_if_no_credentials:
            raise CannotStart(NO_CREDENTIALS)
        demo = True
    found = Options(
        paths,
        settings,
        api,
        claude,
        drivers,
        web=web,
        demo=demo,
        stop_containers=stop_containers,
        say=say,
    )
    if isinstance(driver, Bubblewrap):
        try:
            driver.check_mounts(paths.root, found.readonly, [config_file] if config_file else [])
        except (ContainerError, OSError) as error:
            raise CannotStart(str(error)) from None
    return found


def prepare_process() -> None:
    """Set up the log, the signals and the limits of this process; raises CannotStart."""
    logs.set_up("%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    for number in (signal.SIGUSR1, signal.SIGUSR2):  # they mean nothing here, and would end it
        signal.signal(number, lambda *_: None)
    try:
        raise_limits(*NEEDS)
    except LimitTooLow as error:
        raise CannotStart(str(error)) from None


def run(options: Options) -> int:
    """Run the hive until it is told to stop, and return the exit code: 0, or 1 if its tree gave up.

    Raises CannotStart, also when the hive stopped by itself.
    """
    paths = options.paths
    try:
        with root_lock(paths) as place:
            root_folder.check_database(paths)
            paths.prepare()
            with paths.stacks.open("a") as stacks:
                code, why = trio.run(
                    _main,
                    options,
                    stacks,
                    place,
                    clock=LoopClock(),
                    restrict_keyboard_interrupt_to_checkpoints=True,
                )
            if options.stop_containers and root_folder.is_still(paths, place):
                sweep(paths)
            if why is not None:
                raise CannotStart(why)
            return code
    except (RootLocked, StoreError) as error:
        raise CannotStart(str(error)) from None
    except OSError as error:
        raise CannotStart(f"{paths.root} cannot be used: {error}") from None
    finally:
        say.flush()


async def _main(options: Options, stacks: TextIO, place: str) -> tuple[int, str | None]:
    """The exit code, and why the hive stopped by itself, if it did."""
    hive = build(options)
    hive.root.reconfigure(children(hive, stacks, place))
    logs.redact_by(hive.secrets.redact)

    def on_signal(number: signal.Signals, count: int) -> None:
        if count == 1:
            say(f"{number.name}: stopping in order (again: faster, third time: at once)")
            hive.stop.take_containers()

    def sink(event: Event) -> None:
        agent = hive.publisher.publish_supervision(event)
        if agent is not None and agent in hive.directory.known:
            hive.changed.add(agent)
        if event.severity >= logging.WARNING or os.environ.get("HIVE_VERBOSE"):
            log_sink(event)

    introduce(options)
    code = await run_root(
        hive.root, name=TREE, on_signal=on_signal, stop=hive.stop.asked, sink=sink
    )
    return code, hive.stop.why


def introduce(options: Options) -> None:
    """Tell the operator where everything is."""
    say(f"Hyperhive in {options.paths.root}")
    if options.demo:
        say("Demo: no credentials are used, a scripted model answers every agent.")
    else:
        say(f"Credentials: {options.api.source}")
    if copied := root_folder.told_of_copy(options.paths):
        say(copied)


def sweep(paths: Paths) -> list[str]:
    """End every container of this root that is still there (blocks); raises OSError.

    Returns the names of those that were ended; of one that does not end the operator is told.
    """
    ended = []
    for name in known_names(paths.root):
        try:
            if kill_container(paths.root, name) is not None:
                ended.append(name)
        except TimeoutError as error:
            say(f"{error}: look for it with `ps`")
    say.flush()
    return ended
