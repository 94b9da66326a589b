"""`hive login`: a credential for the agents that use it, or an agent's own login in its home."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import click
import orjson

from hive.cli.ask import ask
from hive.cli.errors import USAGE, CommandFailed
from hive.cli.options import root_option, standard_input
from hive.cli.terminal import run_at_terminal
from hive.paths import Paths
from hive.wire.logins import (
    OWN_LOGIN,
    GetLogin,
    LoggedIn,
    LoginCommand,
    SetCredential,
    UseCredential,
)
from hive.wire.names import check_name

MOST_INPUT = 65536
STATUS_S = 60.0
API_KEY, OAUTH_TOKEN = "api-key", "oauth-token"
_ANY_KEY = "sk-ant-"
_TOKEN = "sk-ant-oat"


@click.command()
@click.argument("name", required=False)
@click.option("--use", metavar="C", help="NAME uses credential C again; its own login is removed.")
@click.option("--credential", metavar="C", help="Give a key or token to all agents that use C.")
@click.option(
    "--token-file",
    metavar="FILE|-",
    help="Where the key or token is; - is standard input, as when that is no terminal.",
)
@click.option("--api-key", "kind", flag_value=API_KEY, help="It is an API key.")
@click.option("--oauth-token", "kind", flag_value=OAUTH_TOKEN, help="It is an OAuth token.")
@root_option
def login(
    name: str | None,
    use: str | None,
    credential: str | None,
    token_file: str | None,
    kind: str | None,
    root: Path,
) -> None:
    """Log in: NAME by the CLI's own login in its home, or every agent of a credential.

    The secret of a credential is asked for without echo, or read from a file or from standard
    input; it never stands on a command line. An agent's own login is shared with no other agent.
    """
    _no_secrets(name, use, credential, token_file)
    root = root.absolute()
    if (name is None) == (credential is None):
        raise click.UsageError("give the NAME of an agent, or --credential C")
    if name is not None:
        if token_file is not None or kind is not None:
            raise click.UsageError(
                "a key or token is given to a credential, not to one agent: "
                "hive login --credential C, then hive login NAME --use C"
            )
        _named(name)
        if use is None:
            _own_login(root, name)
        else:
            _use(root, name, use)
        return
    assert credential is not None
    if use is not None:
        raise click.UsageError("--use goes with the NAME of an agent")
    ask(root, secret_for(_named(credential), _read_secret(credential, token_file), kind))
    click.echo(f"credential {credential} is kept; its agents use it from their next turn on")


def _no_secrets(*words: str | None) -> None:
    if any(word and word.startswith(_ANY_KEY) for word in words):
        raise CommandFailed(
            "a key or token does not belong on the command line, where others can read it: give "
            "it on standard input or by --token-file; think about replacing this one",
            USAGE,
        )


def _named(name: str) -> str:
    try:
        return check_name(name)
    except ValueError as error:
        # Perhaps a secret in the wrong place: it is not repeated.
        raise click.UsageError(str(error).replace(repr(name), "that")) from None


def secret_for(name: str, text: str, kind: str | None) -> SetCredential:
    """Make the request that gives a credential the key or token in `text`.

    `kind` is API_KEY or OAUTH_TOKEN, None to tell it by the secret's prefix. Raises CommandFailed,
    without the secret, when there is none or its kind is unclear.
    """
    secret = text.strip()
    if not secret:
        raise CommandFailed("nothing was given: no key and no token")
    if kind is None and secret.startswith(_ANY_KEY):
        kind = OAUTH_TOKEN if secret.startswith(_TOKEN) else API_KEY
    if kind is None:
        raise CommandFailed("it looks like neither: say --api-key or --oauth-token", USAGE)
    if kind == API_KEY:
        return SetCredential(name, api_key=secret)
    return SetCredential(name, oauth_token=secret)


def _read_secret(credential: str, token_file: str | None) -> str:
    if token_file not in (None, "-"):
        try:
            with Path(token_file or "").open("rb") as file:
                return _text(file.read(MOST_INPUT))
        except OSError as error:
            raise CommandFailed(f"the token file cannot be read: {error}") from None
    if token_file == "-" or sys.stdin is None or not sys.stdin.isatty():
        return _text(standard_input(MOST_INPUT))
    prompt = f"Key or token for credential {credential} (not shown)"
    return str(click.prompt(prompt, hide_input=True, err=True))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _own_login(root: Path, name: str) -> None:
    command = _command(root, name)
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
        raise CommandFailed("the CLI's own login needs a terminal; or use --credential", USAGE)
    environment = dict(command.environment) | {"TERM": os.environ.get("TERM", "dumb")}
    code = run_at_terminal((*command.argv, "auth", "login"), environment)
    if code != 0:
        raise CommandFailed(
            f"{name} is not logged in (the CLI ended with {code}): it goes on as before"
        )
    if not _logged_in(command):
        raise CommandFailed(
            f"{name} is not logged in, says `claude auth status`: it goes on as before"
        )
    ask(root, LoggedIn(name))
    click.echo(f"{name} uses its own login from its next turn on")


def _use(root: Path, name: str, credential: str) -> None:
    command = _command(root, name)
    ask(root, UseCredential(name, credential))
    click.echo(f"{name} uses credential {credential} from its next turn on")
    if credential != OWN_LOGIN and _quietly(command, "auth", "logout").returncode != 0:
        raise CommandFailed(
            f"the login in the home of {name} could not be removed: it lies there unused as long "
            f"as credential {credential} exists"
        )


def _command(root: Path, name: str) -> LoginCommand:
    """How to run the CLI in the agent's home; raises CommandFailed."""
    command = cast(LoginCommand, ask(root, GetLogin(name)))
    owner = Paths(root).control.stat().st_uid
    if owner != os.geteuid():  # its files would not be the agent's; nor do we run what it says
        raise CommandFailed(
            f"this hive belongs to the user with uid {owner}: run `hive login` as that user"
        )
    return command


def _logged_in(command: LoginCommand) -> bool:
    answer = _quietly(command, "auth", "status", "--json")
    try:
        said: Any = orjson.loads(answer.stdout)
    except orjson.JSONDecodeError:
        return False
    return answer.returncode == 0 and isinstance(said, dict) and said.get("loggedIn") is True


def _quietly(command: LoginCommand, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """Run the CLI apart from the operator's terminal; raises CommandFailed."""
    try:
        return subprocess.run(
            (*command.argv, *arguments),
            env=dict(command.environment),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            start_new_session=True,
            timeout=STATUS_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        what = "it did not answer" if isinstance(error, subprocess.TimeoutExpired) else str(error)
        raise CommandFailed(f"claude {' '.join(arguments)}: {what}") from None


COMMANDS = (login,)
