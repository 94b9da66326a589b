"""Credentials, by which agents use the API, and logins, which give them."""

from attrs import field, frozen

DEFAULT_CREDENTIAL = "default"
"""The name of the credential of agents for which no other one was chosen."""

OWN_LOGIN = "own"
"""Instead of a credential's name: the agent uses the login in its own home."""


@frozen
class SetCredential:
    """Keep a credential under `name`, and have the agents try it that use it.

    Exactly one of `api_key` and `oauth_token` is given.
    """

    name: str
    api_key: str | None = field(default=None, repr=False)
    oauth_token: str | None = field(default=None, repr=False)


@frozen
class GetLogin:
    """Ask how to run the CLI in the home of `agent`; answered with `LoginCommand`."""

    agent: str


@frozen
class LoginCommand:
    """How to run the CLI in an agent's home: its arguments are added to `argv`.

    `environment` is the whole environment, apart from TERM.
    """

    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]


@frozen
class UseCredential:
    """From now on `agent` uses `credential`: a name, or OWN_LOGIN."""

    agent: str
    credential: str


@frozen
class LoggedIn:
    """Say that somebody has logged in in the home of `agent`, which uses that login from now on."""

    agent: str


OperatorReads = GetLogin
OperatorActs = SetCredential | UseCredential | LoggedIn
FromDaemon = LoginCommand
