"""Commands that start and stop the hive itself. The daemon's code is imported only by these."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hive.address import Address
from hive.cli.ask import ask
from hive.cli.errors import CommandFailed
from hive.cli.options import Loopback, root_option
from hive.paths import Paths
from hive.wire.daemon import Down

if TYPE_CHECKING:
    from hive.daemon.lock import Holder

WEB_DEFAULT = "127.0.0.1:8420"
DOWN_S = 60.0

F = TypeVar("F", bound=Callable[..., Any])


def _daemon_options(command: F) -> F:
    for option in (
        click.option(
            "--unsafe-no-container",
            is_flag=True,
            help="Allow the driver `process`: agents run without any isolation.",
        ),
        click.option("--demo", is_flag=True, help="A scripted model; no credentials needed."),
        click.option(
            "--config",
            "config_file",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Default: hive.toml in the root.",
        ),
        root_option,
    ):
        command = option(command)
    return command


@click.command()
@_daemon_options
@click.option("--web", type=Loopback(), default=WEB_DEFAULT, show_default=True, help="The page.")
@click.option(
    "--demo-if-no-credentials", is_flag=True, help="As --demo when no credentials are found."
)
def up(
    root: Path,
    config_file: Path | None,
    demo: bool,
    unsafe_no_container: bool,
    web: Address,
    demo_if_no_credentials: bool,
) -> None:
    """Start everything for one person on one machine; Ctrl-C or SIGTERM stops all of it."""
    _run(
        root,
        config_file,
        demo,
        unsafe_no_container,
        web=web,
        demo_if_no_credentials=demo_if_no_credentials,
        stop_containers=True,
    )


@click.command()
@_daemon_options
def daemon(root: Path, config_file: Path | None, demo: bool, unsafe_no_container: bool) -> None:
    """Run the daemon alone (for systemd). SIGTERM leaves containers running for the next one."""
    _run(root, config_file, demo, unsafe_no_container, stop_containers=False)


def _run(
    root: Path,
    config_file: Path | None,
    demo: bool,
    unsafe_no_container: bool,
    *,
    stop_containers: bool,
    web: Address | None = None,
    demo_if_no_credentials: bool = False,
) -> None:
    from hive.daemon import main

    try:
        main.prepare_process()
        options = main.options(
            root,
            os.environ,
            config_file=config_file,
            web=web,
            demo=demo,
            demo_if_no_credentials=demo_if_no_credentials,
            unsafe_no_container=unsafe_no_container,
            stop_containers=stop_containers,
        )
        sys.exit(main.run(options))
    except main.CannotStart as error:
        raise CommandFailed(str(error)) from None


@click.command()
@root_option
@click.option("--bind", type=Loopback(), default=WEB_DEFAULT, show_default=True)
def web(root: Path, bind: Address) -> None:
    """Serve the page for the daemon of this root (for systemd; `hive up` includes it)."""
    socket = str(Paths(root.absolute()).web)
    arguments = ["--socket", socket, "--bind", str(bind)]
    os.execv(sys.executable, [sys.executable, "-m", "web", *arguments])


@click.command()
@root_option
def down(root: Path) -> None:
    """Stop the daemon and every container of the root, also when no daemon answers."""
    from hive.daemon.lock import holder
    from hive.daemon.main import sweep

    paths = Paths(root.absolute())
    try:
        held = holder(paths)
        if held is not None:
            _ask_to_stop(root, held)
            _wait_until_gone(paths, held)
        ended = sweep(paths)
    except OSError as error:
        raise CommandFailed(f"{root} cannot be looked at: {error}") from None
    if held is None and not ended:
        click.echo(f"nothing runs in {root}")
    else:
        click.echo(
            f"stopped {root}" + (f" (containers ended: {', '.join(ended)})" if ended else "")
        )


def _ask_to_stop(root: Path, held: "Holder") -> None:
    try:
        ask(root, Down(), timeout=5)
    except CommandFailed:
        if held.process is None:
            raise CommandFailed(
                f"{root} is held by {held}, and no daemon answers: stop it where it was started"
            ) from None
        held.signal(signal.SIGTERM)
        held.signal(signal.SIGCONT)  # one that is stopped (Ctrl-Z) could not obey


def _wait_until_gone(paths: Paths, held: "Holder") -> None:
    from hive.daemon.lock import holder

    deadline = time.monotonic() + DOWN_S
    while holder(paths) == held or held.runs():  # it lets go of the root a moment before its end
        if time.monotonic() > deadline:
            held.signal(signal.SIGKILL)
            click.echo(f"the daemon ({held}) did not stop in {DOWN_S:g} s and was killed")
            return
        time.sleep(0.05)


COMMANDS = (up, daemon, web, down)
