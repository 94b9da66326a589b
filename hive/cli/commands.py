"""`hive`: all commands, each from the file of its subject; how they fail and end."""

import errno
import sys
from typing import Any, NoReturn

import click

from hive.cli import (
    agents,
    approvals,
    audit,
    budgets,
    config,
    daemon,
    events,
    files,
    gates,
    logins,
    messages,
    questions,
    reminders,
    schedules,
    tree,
    up,
)
from hive.cli.errors import CommandFailed
from hive.cli.events import OutputLost
from hive.cli.format import safe
from hive.cli.options import check_words, show_any_text
from hive.output import finish_output, open_standard_streams

_UNWRITABLE = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


class Commands(click.Group):
    """Takes and shows text of any kind; turns CommandFailed into a line on stderr and its code."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        show_any_text()
        check_words(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CommandFailed as error:
            fail(str(error), error.code)

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run a command; what nobody reads, or no disk takes, ends it quietly."""
        open_standard_streams()
        before = sys.stdout
        try:
            return super().main(*arguments, **options)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
            no_reader = sys.stdout is not before  # click has replaced it for that reason
            sys.exit(finish_output(code, BrokenPipeError() if no_reader else None))
        except OutputLost as lost:
            sys.exit(finish_output(0, lost.error))
        except OSError as error:
            if error.errno not in _UNWRITABLE or error.filename is not None:
                raise
            sys.exit(finish_output(1, error))


def fail(message: str, code: int) -> NoReturn:
    """End the process with this exit code, and with the message on standard error."""
    try:
        click.echo(f"hive: {safe(message)}", err=True)
    except OSError:
        pass  # the exit code says it
    sys.exit(code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hyperhive")
def main() -> None:
    """Keep a hive of coding agents alive.

    Exit codes: 0 ok, 1 failed, 2 usage, 3 no daemon, 4 a daemon that does not answer, 5 it may or
    may not have been done.
    """


for command in (
    *up.COMMANDS,
    *daemon.COMMANDS,
    *agents.COMMANDS,
    *messages.COMMANDS,
    *questions.COMMANDS,
    *approvals.COMMANDS,
    *tree.COMMANDS,
    *gates.COMMANDS,
    *budgets.COMMANDS,
    *logins.COMMANDS,
    *reminders.COMMANDS,
    *schedules.COMMANDS,
    *files.COMMANDS,
    *events.COMMANDS,
    *audit.COMMANDS,
    *config.COMMANDS,
):
    main.add_command(command)
