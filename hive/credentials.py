"""Credentials: given by hive.toml, the environment or `hive login`, and never shown.

Each agent's CLI gets one of them, by its environment. Those of `hive login` are kept on disk, a
file each, for its owner's eyes alone.
"""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import trio
from attrs import evolve, field, frozen

from hive.files import read_small
from hive.redact import Secrets
from hive.wire.codec import WireError, decode, encode
from hive.wire.logins import DEFAULT_CREDENTIAL, OWN_LOGIN
from hive.wire.names import check_name

API_KEY = "ANTHROPIC_API_KEY"
OAUTH_TOKEN = "CLAUDE_CODE_OAUTH_TOKEN"
BASE_URL = "ANTHROPIC_BASE_URL"

MOST_SECRET = 4096
_SECRET = re.compile(rf"[!-~]{{1,{MOST_SECRET}}}")

Variables = tuple[tuple[str, str], ...]
"""Environment variables and their values."""


class BadCredential(ValueError):
    """A credential that cannot be used; the text says which and what to do, never the secret."""


@frozen
class NamedCredential:
    """A credential as it was given: exactly one of the two secrets is there."""

    name: str
    api_key: str | None = field(default=None, repr=False)
    oauth_token: str | None = field(default=None, repr=False)

    def check(self) -> None:
        """Raise BadCredential unless agents can use it."""
        check_credential_name(self.name)
        where = f"credential {self.name!r}"
        if (self.api_key is None) == (self.oauth_token is None):
            raise BadCredential(f"{where} needs one of api_key and oauth_token, and not both")
        _check_secret(where, self.api_key or self.oauth_token or "")


def check_credential_name(name: str) -> str:
    """Return `name` if it may name a credential; raises BadCredential."""
    try:
        check_name(name)
    except ValueError as error:
        raise BadCredential(f"credential {error}") from None
    if name == OWN_LOGIN:
        raise BadCredential(f"{name!r} stands for an agent's own login: choose another name")
    return name


def _check_secret(where: str, value: str) -> None:
    if not _SECRET.fullmatch(value):
        raise BadCredential(
            f"{where}: a key or token is one word of printable ASCII, at most {MOST_SECRET} "
            "characters: copy it again, without spaces or line breaks"
        )


@frozen
class KnownCredential:
    """A credential that agents may use; `source` is where it came from, in words."""

    name: str
    source: str
    variable: tuple[str, str] = field(repr=False)


@frozen
class ApiAccess:
    """Every credential that is known, and where the API is."""

    known: tuple[KnownCredential, ...] = ()
    base: Variables = ()
    """ANTHROPIC_BASE_URL, if it is configured."""
    demo: KnownCredential | None = None
    """Used by every agent, whatever its credential."""

    def __bool__(self) -> bool:
        return bool(self.known or self.demo)

    @property
    def source(self) -> str:
        """Where the credentials came from, in words."""
        known = (self.demo,) if self.demo else self.known
        return ", ".join(f"{one.name} ({one.source})" for one in known) or "none"

    @property
    def secrets(self) -> Iterator[tuple[str, str]]:
        """Each credential's name and value: what must be hidden in every text."""
        for one in (*self.known, self.demo) if self.demo else self.known:
            yield one.name, one.variable[1]

    def environment(self, name: str) -> Variables:
        """Return what gives claude this credential and the API's address: one credential at most.

        Neither an unknown name nor OWN_LOGIN gives any: the CLI then looks into its home alone.
        """
        if self.demo:
            return (self.demo.variable, *self.base)
        mine = tuple(one.variable for one in self.known if one.name == name)
        return (*mine, *self.base)

    def check(self, name: str) -> str:
        """Return `name` if an agent may be given this credential; raises BadCredential.

        The default need not be known yet, and an agent's own login may come later: without it the
        agent waits for a login.
        """
        choices = {one.name for one in self.known} | {DEFAULT_CREDENTIAL, OWN_LOGIN}
        if name not in choices:
            raise BadCredential(
                f"there is no credential {name!r}, there are: {', '.join(sorted(choices))}; "
                "`hive login --credential NAME` adds one"
            )
        return name

    def with_(self, credential: NamedCredential, source: str) -> "ApiAccess":
        """The same with this credential in the place of its namesake."""
        others = tuple(one for one in self.known if one.name != credential.name)
        return evolve(self, known=(*others, _known(credential, source)))


def _known(credential: NamedCredential, source: str) -> KnownCredential:
    if credential.api_key is not None:
        return KnownCredential(credential.name, source, (API_KEY, credential.api_key))
    assert credential.oauth_token is not None  # exactly one of the two, by its check
    return KnownCredential(credential.name, source, (OAUTH_TOKEN, credential.oauth_token))


def resolve(
    configured: tuple[NamedCredential, ...],
    environment: Mapping[str, str],
    kept: tuple[NamedCredential, ...] = (),
) -> ApiAccess:
    """Choose each credential: what `hive login` kept wins over hive.toml's (`configured`), that
    over the environment's.

    Raises BadCredential when one from the environment cannot be used, or when the environment
    alone decides and has both kinds: the CLI would silently bill the key.
    """
    base = ((BASE_URL, environment[BASE_URL]),) if environment.get(BASE_URL) else ()
    if base and not (base[0][1].isascii() and base[0][1].isprintable()):
        raise BadCredential(f"{BASE_URL} is no URL: it holds more than printable ASCII characters")
    access = ApiAccess(base=base)
    for one in configured:
        access = access.with_(one, "hive.toml")
    for one in kept:
        access = access.with_(one, "hive login")
    if all(one.name != DEFAULT_CREDENTIAL for one in access.known):
        present = [name for name in (API_KEY, OAUTH_TOKEN) if environment.get(name)]
        if len(present) == 2:
            raise BadCredential(
                f"both {API_KEY} and {OAUTH_TOKEN} are set: unset the one not to be billed"
            )
        for name in present:
            _check_secret(name, environment[name])
        given = tuple(
            KnownCredential(DEFAULT_CREDENTIAL, name, (name, environment[name])) for name in present
        )
        access = evolve(access, known=(*given, *access.known))
    return access


def demo_access(port: int) -> ApiAccess:
    """Access to the demo's scripted API on loopback, for every agent."""
    url = f"http://127.0.0.1:{port}"
    scripted = KnownCredential("demo", "scripted", (API_KEY, "demo"))
    return ApiAccess(base=((BASE_URL, url),), demo=scripted)


class CurrentAccess:
    """The API access that is in force, as a login or the demo's start may change it.

    `secrets` learns every credential that is or was in force: none may be in any text.
    """

    def __init__(self, api: ApiAccess, folder: Path, secrets: Secrets) -> None:
        self._folder, self._secrets = folder, secrets
        self._keeping = trio.Lock()
        """Held while a credential is replaced, on disk and here."""
        self.use(api)

    @property
    def api(self) -> ApiAccess:
        """What is in force now."""
        return self._api

    def environment(self, name: str) -> Variables:
        """Return what gives claude this credential now; see `ApiAccess.environment`."""
        return self._api.environment(name)

    def use(self, api: ApiAccess) -> None:
        """Put this in force; the credentials of before stay secrets."""
        self._api = api
        for name, value in api.secrets:
            self._secrets.learn(value, f"of credential {name}")

    async def keep(self, credential: NamedCredential) -> None:
        """Keep a credential on disk and put it in force; raises BadCredential, OSError."""
        credential.check()
        async with self._keeping:
            await trio.to_thread.run_sync(keep, self._folder, credential)
            self.use(self._api.with_(credential, "hive login"))


def keep(folder: Path, credential: NamedCredential) -> None:
    """Write the credential so that it survives a power cut (blocks); raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    file, name = tempfile.mkstemp(prefix=".", dir=folder)  # mode 0600; a dot begins no name
    try:
        with os.fdopen(file, "wb") as writer:
            writer.write(encode(credential))
            writer.flush()
            os.fsync(file)
        Path(name).rename(folder / credential.name)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    for changed in (folder, folder.parent):
        _sync(changed)


def _sync(folder: Path) -> None:
    entry = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)


def kept(folder: Path) -> tuple[NamedCredential, ...]:
    """Every credential that was kept in the folder, by name (blocks); raises BadCredential."""
    return tuple(_read(file) for file in sorted(folder.glob("*")) if _is_ours(file.name))


def _is_ours(name: str) -> bool:
    try:
        return check_name(name) == name
    except ValueError:
        return False


def _read(file: Path) -> NamedCredential:
    try:
        credential = decode(read_small(file, follow=True), NamedCredential)
        assert isinstance(credential, NamedCredential)
        if credential.name != file.name:
            raise BadCredential("it is another credential's")
        credential.check()
    except (OSError, WireError, BadCredential) as error:
        raise BadCredential(
            f"{file} cannot be used: {error}; remove it and run `hive login --credential "
            f"{file.name}` again"
        ) from None
    return credential
