"""Logins: a credential for all agents that use it, or an agent's own login in its home."""

import trio

from hive.containers import Container
from hive.daemon import vault
from hive.daemon.config import NamedCredential
from hive.daemon.drivers import driver_named
from hive.daemon.faults import NotDone
from hive.daemon.hive import Hive
from hive.directory import credential_key
from hive.wire import OWN_LOGIN, LoggedIn, LoginCommand, SetCredential, UseCredential

TELL_ALL_S = 30.0

_FLAGS = (
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ("DISABLE_TELEMETRY", "1"),
    ("DISABLE_AUTOUPDATER", "1"),
    ("DISABLE_ERROR_REPORTING", "1"),
)


async def command(hive: Hive, name: str) -> LoginCommand:
    """How to run the CLI in the agent's home; raises NoSuchAgent, ContainerError, NotDone."""
    record = hive.fleet.record(name)
    driver = driver_named(record.driver, hive.options.drivers)
    root, claude = hive.paths.root, str(hive.options.claude)
    readonly = hive.fleet.around.readonly
    try:
        argv = await driver.visit(Container(name, root, (claude,), readonly=readonly))
    except OSError as error:
        raise NotDone("not_done", f"no container for a login of {name}: {error}") from None
    base = driver.inside(root, name).base
    environment = (
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", str(base / "claude")),
        ("LANG", "C.UTF-8"),
        *_FLAGS,
    )
    return LoginCommand(argv, environment)


async def act(hive: Hive, body: SetCredential | LoggedIn | UseCredential) -> None:
    """Do it; raises NoSuchAgent, ConfigError, StoreError, NotDone."""
    match body:
        case SetCredential():
            key = await _set(hive, body)
        case LoggedIn(agent):
            key = await _use(hive, agent, OWN_LOGIN)
        case UseCredential(agent, credential):
            key = await _use(hive, agent, hive.api.check(credential))
    with trio.move_on_after(TELL_ALL_S, shield=True):  # it is done, also if who asked is gone
        await hive.fleet.tell(key)
        await hive.credential_changed(key)


async def _set(hive: Hive, body: SetCredential) -> str:
    credential = NamedCredential(body.name, body.api_key, body.oauth_token)
    credential.check()
    async with hive.logging_in:
        try:
            await trio.to_thread.run_sync(vault.keep, hive.paths.credentials, credential)
        except OSError as error:
            raise NotDone("not_done", f"the credential cannot be kept: {error}") from None
        hive.use_api(hive.api.with_(credential, "hive login"))
    return credential.name


async def _use(hive: Hive, agent: str, credential: str) -> str:
    return credential_key(await hive.fleet.use_credential(agent, credential))
