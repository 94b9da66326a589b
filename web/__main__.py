"""`python -m web`: the operator's page as a process of its own."""

import sys
from pathlib import Path

import click

from hive.address import AddressRefused, loopback_address
from hive.rlimits import FILES, LimitTooLow, raise_limits
from web.assets import NotBuilt
from web.loopback import listen
from web.server import run


@click.command()
@click.option(
    "--socket", "socket_path", type=click.Path(path_type=Path), help="Daemon's web socket."
)
@click.option("--root", type=click.Path(path_type=Path), help="The hive; its run/web.sock is used.")
@click.option("--bind", default="127.0.0.1:8420", show_default=True, help="Loopback HOST:PORT.")
@click.option("--lifeline", is_flag=True, help="End when standard input ends.")
def main(socket_path: Path | None, root: Path | None, bind: str, lifeline: bool) -> None:
    """Serve the hive's page on this machine."""
    if (socket_path is None) == (root is None):
        raise click.UsageError("give either --socket or --root")
    path = socket_path or root / "run" / "web.sock"  # type: ignore[operator]
    try:
        address = loopback_address(bind)
    except AddressRefused as error:
        raise click.BadParameter(str(error), param_hint="--bind") from None
    try:
        raise_limits(FILES)
        listener = listen(address)
    except LimitTooLow as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {bind}: {error.strerror}; choose another with --bind HOST:PORT"
        ) from None
    try:
        run(path.absolute(), listener, lifeline=lifeline)
    except NotBuilt as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
