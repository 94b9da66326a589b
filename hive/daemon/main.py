"""Entry of `hive up` and `hive daemon`: checks everything first, then runs the tree."""

import logging
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

import trio

from hive import logs
from hive.containers import DriverUnavailable, kill_container, known_names
from hive.daemon import config, credentials, vault
from hive.daemon.claude import ClaudeMissing, check_version, find_claude
from hive.daemon.config import ConfigError
from hive.daemon.drivers import UnknownDriver, driver_named, drivers
from hive.daemon.hive import TREE, Hive, Options
from hive.daemon.lock import AlreadyRunning, root_lock
from hive.daemon.tree import build
from hive.paths import Paths
from hive.supervisors import Event, ThreadSink, log_sink, run_root

log = logging.getLogger("hive")

NO_CREDENTIALS = (
    "no credentials: set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN, or write "
    "[credentials.default] in hive.toml, or start with --demo for a scripted model"
)


class CannotStart(Exception):
    """The hive cannot start; the text says what is wrong and what to do."""


def options(
    root: Path,
    environment: Mapping[str, str],
    *,
    config_file: Path | None = None,
    web: tuple[str, int] | None = None,
    demo: bool = False,
    demo_if_no_credentials: bool = False,
    unsafe_no_container: bool = False,
) -> Options:
    """Check all that can be checked before anything starts; raises CannotStart."""
    paths = Paths(root.absolute())
    try:
        settings = config.load(config_file or paths.config, required=config_file is not None)
        api = credentials.resolve(settings, environment, vault.kept(paths.credentials))
        claude = find_claude(settings.claude.path, environment.get("PATH"))
        check_version(claude)
        known = drivers(unsafe_no_container=unsafe_no_container)
        driver_named(settings.agents.driver, known).check()
    except (ConfigError, ClaudeMissing, DriverUnavailable, UnknownDriver) as error:
        raise CannotStart(str(error)) from None
    if not api and not demo:
        if not demo_if_no_credentials:
            raise CannotStart(NO_CREDENTIALS)
        demo = True
    return Options(
        paths,
        settings,
        api,
        claude,
        web=web,
        demo=demo,
        drivers=known,
        say=say,
    )


def say(line: str) -> None:
    """One line for the operator's terminal."""
    print(line, flush=True)


def run(options: Options, *, stop_containers: bool) -> int:
    """Run the hive until it is told to stop; the exit code.

    With `stop_containers` (`hive up`) a signal ends the agents' containers too; without it
    (`hive daemon`) they go on and the next daemon adopts them. Raises CannotStart.
    """
    paths = options.paths
    try:
        paths.prepare()
        with root_lock(paths), paths.stacks.open("a") as stacks:
            code = trio.run(
                _main,
                options,
                stop_containers,
                stacks,
                restrict_keyboard_interrupt_to_checkpoints=True,
            )
            if stop_containers:
                sweep(paths)
            return code
    except AlreadyRunning as error:
        raise CannotStart(str(error)) from None
    except OSError as error:
        raise CannotStart(f"{paths.root} cannot be used: {error}") from None


async def _main(options: Options, stop_containers: bool, stacks: TextIO) -> int:
    hive = Hive(options)
    logs.redact_by(hive.secrets.redact)

    def on_signal(number: signal.Signals, count: int) -> None:
        if count == 1:
            say(f"{number.name}: stopping in order (again: faster, third time: at once)")
            if stop_containers:
                hive.fleet.stop_containers()

    log_lines = ThreadSink(log_sink)  # a terminal that does not read must not stop the hive

    def sink(event: Event) -> None:
        hive.supervision(event)
        if event.severity >= logging.WARNING or os.environ.get("HIVE_VERBOSE"):
            log_lines(event)

    introduce(options)
    root = build(hive, stacks)
    try:
        return await run_root(root, name=TREE, on_signal=on_signal, stop=hive.stop, sink=sink)
    finally:
        log_lines.close()


def introduce(options: Options) -> None:
    """Tell the operator where everything is."""
    say(f"Hyperhive in {options.paths.root}")
    if options.demo:
        say("Demo: no credentials are used, a scripted model answers every agent.")
    else:
        say(f"Credentials: {options.api.source}")


def sweep(paths: Paths) -> list[str]:
    """End every container of this root that is still there; the names of those that ended."""
    ended = []
    for name in known_names(paths.root):
        try:
            if kill_container(paths.root, name) is not None:
                ended.append(name)
        except TimeoutError as error:
            say(f"{error}: look for it with `ps`")
    return ended


def set_up_logging() -> None:
    """Plain lines on stderr."""
    logs.set_up("%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
