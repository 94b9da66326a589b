"""Entry of `hive up` and `hive daemon`: checks everything first, then runs the tree."""

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
    kill_container,
    known_names,
)
from hive.daemon import config, credentials, ground, vault
from hive.daemon.claude import ClaudeMissing, check_version, find_claude
from hive.daemon.config import ConfigError
from hive.daemon.drivers import UnknownDriver, driver_named, drivers
from hive.daemon.feed import supervision_sink
from hive.daemon.hive import Hive, Options
from hive.daemon.lock import RootLocked, root_lock
from hive.daemon.tree import build
from hive.operator.tree import TREE
from hive.output import Output
from hive.paths import BadRoot, Paths, resolve_root
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
) -> Options:
    """Check all that can be checked before anything starts; raises CannotStart."""
    try:
        paths = Paths(resolve_root(root))
        settings = config.load(config_file or paths.config, required=config_file is not None)
        api = credentials.resolve(settings, environment, vault.kept(paths.credentials))
        claude = find_claude(settings.claude.path, environment.get("PATH"))
        check_version(claude)
        known = drivers(unsafe_no_container=unsafe_no_container)
        driver = driver_named(settings.agents.driver, known)
        driver.check()
    except (BadRoot, ConfigError, ClaudeMissing, ContainerError, UnknownDriver) as error:
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
        web=web,
        demo=demo,
        drivers=known,
        say=say,
    )
    if isinstance(driver, Bubblewrap):
        try:
            driver.check_mounts(paths.root, found.readonly, [config_file] if config_file else [])
        except (ContainerError, OSError) as error:
            raise CannotStart(str(error)) from None
    return found


def prepare_process() -> None:
    """Set up the log, signals and limits of this process; raises CannotStart."""
    logs.set_up("%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    for number in (signal.SIGUSR1, signal.SIGUSR2):  # they mean nothing here, and would end it
        signal.signal(number, lambda *_: None)
    try:
        raise_limits(*NEEDS)
    except LimitTooLow as error:
        raise CannotStart(str(error)) from None


def run(options: Options, *, stop_containers: bool) -> int:
    """Run the hive until it is told to stop; the exit code.

    With `stop_containers` (`hive up`) a signal ends the agents' containers too; without it
    (`hive daemon`) they go on and the next daemon adopts them. Raises CannotStart.
    """
    paths = options.paths
    try:
        with root_lock(paths) as place:
            ground.check_database(paths)
            paths.prepare()
            with paths.stacks.open("a") as stacks:
                code, gave_up = trio.run(
                    _main,
                    options,
                    stop_containers,
                    stacks,
                    place,
                    clock=LoopClock(),
                    restrict_keyboard_interrupt_to_checkpoints=True,
                )
            if stop_containers and ground.is_still(paths, place):
                sweep(paths)
            if gave_up is not None:
                raise CannotStart(gave_up)
            return code
    except (RootLocked, StoreError) as error:
        raise CannotStart(str(error)) from None
    except OSError as error:
        raise CannotStart(f"{paths.root} cannot be used: {error}") from None
    finally:
        say.flush()


async def _main(
    options: Options, stop_containers: bool, stacks: TextIO, place: str
) -> tuple[int, str | None]:
    """The exit code, and why the hive stopped by itself, if it did."""
    hive = Hive(options, stop_containers)
    logs.redact_by(hive.secrets.redact)

    def on_signal(number: signal.Signals, count: int) -> None:
        if count == 1:
            say(f"{number.name}: stopping in order (again: faster, third time: at once)")
            if stop_containers:
                hive.fleet.stop_containers()

    shown = supervision_sink(hive.feed, hive.directory.known, hive.suspects.add)

    def sink(event: Event) -> None:
        shown(event)
        if event.severity >= logging.WARNING or os.environ.get("HIVE_VERBOSE"):
            log_sink(event)

    introduce(options)
    root = build(hive, stacks, place)
    code = await run_root(root, name=TREE, on_signal=on_signal, stop=hive.stop, sink=sink)
    return code, hive.gave_up


def introduce(options: Options) -> None:
    """Tell the operator where everything is."""
    say(f"Hyperhive in {options.paths.root}")
    if options.demo:
        say("Demo: no credentials are used, a scripted model answers every agent.")
    else:
        say(f"Credentials: {options.api.source}")
    if copied := ground.told_of_copy(options.paths):
        say(copied)


def sweep(paths: Paths) -> list[str]:
    """End every container of this root that is still there; the names of those that ended."""
    ended = []
    for name in known_names(paths.root):
        try:
            if kill_container(paths.root, name) is not None:
                ended.append(name)
        except TimeoutError as error:
            say(f"{error}: look for it with `ps`")
    say.flush()
    return ended
