"""Credentials and logins."""

from attrs import field, frozen

DEFAULT_CREDENTIAL = "default"


OWN_LOGIN = "own"
"""Instead of a credential's name: the agent uses the login in its own home."""


@frozen
class SetCredential:
    """Keep this credential (exactly one of the two) under `name` and try the agents that use it."""

    name: str
    api_key: str | None = field(default=None, repr=False)
    oauth_token: str | None = field(default=None, repr=False)


@frozen
class GetLogin:
    """How to run the CLI in the own home of `agent`; answered with `LoginCommand`."""

    agent: str


@frozen
class LoginCommand:
    """`argv` wants the CLI's arguments after it; `environment` is all of it but TERM."""

    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]


@frozen
class UseCredential:
    """From now on `agent` uses `credential`: a name, or OWN_LOGIN."""

    agent: str
    credential: str


@frozen
class LoggedIn:
    """Somebody has logged `agent` in within its own home: from now on it uses that login."""

    agent: str


OperatorReads = GetLogin
OperatorActs = SetCredential | UseCredential | LoggedIn
FromDaemon = LoginCommand
