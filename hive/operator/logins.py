"""Logins: a credential for all agents that use it, or an agent's own login in its home."""

from collections.abc import Awaitable, Callable

import trio
from attrs import frozen

from hive.agents import Fleet
from hive.containers import Container
from hive.credentials import CurrentAccess, NamedCredential
from hive.directory import credential_key
from hive.operator.errors import NotDone
from hive.operator.handlers import Act, Table, act, read
from hive.paths import AgentFolders
from hive.wire.logins import (
    OWN_LOGIN,
    GetLogin,
    LoggedIn,
    LoginCommand,
    SetCredential,
    UseCredential,
)

NOTIFY_ALL_S = 30.0

_FLAGS = (
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ("DISABLE_TELEMETRY", "1"),
    ("DISABLE_AUTOUPDATER", "1"),
    ("DISABLE_ERROR_REPORTING", "1"),
)


@frozen
class Logins:
    """Answers what the operator asks about logins, and does what he wants done."""

    fleet: Fleet
    access: CurrentAccess
    changed: Callable[[str], Awaitable[None]]
    """Is called with the key (see `credential_key`) of each credential that is new."""

    async def command(self, asked: GetLogin) -> LoginCommand:
        """How to run the CLI in the agent's home, so that a human can log in there.

        Raises NoSuchAgent, ContainerError when its driver refuses, NotDone when the machine does.
        """
        dependencies = self.fleet.dependencies
        record = dependencies.directory.record(asked.agent)
        driver, root, name = (
            dependencies.driver(record.driver),
            dependencies.paths.root,
            record.name,
        )
        claude = (str(dependencies.claude),)
        try:
            argv = await driver.visit(Container(name, root, claude, readonly=dependencies.readonly))
        except OSError as error:
            raise NotDone("not_done", f"no container for a login of {name}: {error}") from None
        base = driver.inside(root, name).base
        environment = (
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("HOME", str(AgentFolders(base).claude)),
            ("LANG", "C.UTF-8"),
            *_FLAGS,
        )
        return LoginCommand(argv, environment)

    async def set(self, asked: SetCredential) -> None:
        """Keep the credential and give it to its agents. Raises BadCredential and NotDone."""
        try:
            await self.access.keep(NamedCredential(asked.name, asked.api_key, asked.oauth_token))
        except OSError as error:
            raise NotDone("not_done", f"the credential cannot be kept: {error}") from None
        await self._notify(asked.name)

    async def logged_in(self, asked: LoggedIn) -> None:
        """Have the agent use its own login. Raises NoSuchAgent and StoreError."""
        await self._use(asked.agent, OWN_LOGIN)

    async def use(self, asked: UseCredential) -> None:
        """Have the agent use this credential. Raises as `logged_in` does, and BadCredential."""
        await self._use(asked.agent, self.access.api.check(asked.credential))

    async def _use(self, agent: str, credential: str) -> None:
        await self._notify(credential_key(await self.fleet.use_credential(agent, credential)))

    async def _notify(self, key: str) -> None:
        with trio.move_on_after(NOTIFY_ALL_S, shield=True):  # it is done, also if who asked is gone
            await self.fleet.push_settings(key)
            await self.changed(key)


def table(logins: Logins) -> Table:
    """What the operator may ask about logins, and do with them."""
    return {
        GetLogin: read(logins.command),
        SetCredential: act(logins.set, _credential, has_steps=True, brings_secret=True),
        LoggedIn: act(
            logins.logged_in,
            lambda one: Act("login", one.agent, f"credential {OWN_LOGIN}"),
            has_steps=True,
        ),
        UseCredential: act(
            logins.use,
            lambda one: Act("use-credential", one.agent, f"credential {one.credential}"),
            has_steps=True,
        ),
    }


def _credential(one: SetCredential) -> Act:
    kind = "API key" if one.api_key is not None else "OAuth token"
    return Act("login", one.name, f"credential, {kind}")
