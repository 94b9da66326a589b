"""Which environment the CLI gets to reach its API: one credential for each agent, never shown."""

from collections.abc import Iterator, Mapping

from attrs import evolve, field, frozen

from hive.daemon.config import Config, ConfigError, NamedCredential, check_secret
from hive.wire.logins import DEFAULT_CREDENTIAL, OWN_LOGIN

API_KEY = "ANTHROPIC_API_KEY"
OAUTH_TOKEN = "CLAUDE_CODE_OAUTH_TOKEN"
BASE_URL = "ANTHROPIC_BASE_URL"

Variables = tuple[tuple[str, str], ...]


@frozen
class Known:
    """A credential that agents may use; `source` is where it came from, in words."""

    name: str
    source: str
    variable: tuple[str, str] = field(repr=False)


@frozen
class ApiAccess:
    """Every credential that is known, and where the API is."""

    known: tuple[Known, ...] = ()
    base: Variables = ()
    """ANTHROPIC_BASE_URL, if it is configured."""
    demo: Known | None = None
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
        """For claude of an agent that uses credential `name`: at most one kind of credential.

        Neither an unknown name nor OWN_LOGIN gives any: the CLI then looks into its home alone.
        """
        if self.demo:
            return (self.demo.variable, *self.base)
        mine = tuple(one.variable for one in self.known if one.name == name)
        return (*mine, *self.base)

    def check(self, name: str) -> str:
        """Return `name` if an agent may be given this credential; raises ConfigError.

        The default need not be known yet, and an agent's own login may come later: without it the
        agent waits for a login.
        """
        choices = {one.name for one in self.known} | {DEFAULT_CREDENTIAL, OWN_LOGIN}
        if name not in choices:
            raise ConfigError(
                f"there is no credential {name!r}, there are: {', '.join(sorted(choices))}; "
                "`hive login --credential NAME` adds one"
            )
        return name

    def with_(self, credential: NamedCredential, source: str) -> "ApiAccess":
        """The same with this credential in the place of its namesake."""
        others = tuple(one for one in self.known if one.name != credential.name)
        return evolve(self, known=(*others, _known(credential, source)))


def resolve(
    config: Config, environment: Mapping[str, str], kept: tuple[NamedCredential, ...] = ()
) -> ApiAccess:
    """Choose each credential: what `hive login` kept wins over the file's, that over the
    environment's.

    Raises ConfigError when the environment alone decides and has both kinds: the CLI would
    silently bill the key.
    """
    base = ((BASE_URL, environment[BASE_URL]),) if environment.get(BASE_URL) else ()
    if base and not (base[0][1].isascii() and base[0][1].isprintable()):
        raise ConfigError(f"{BASE_URL} is no URL: it holds more than printable ASCII characters")
    access = ApiAccess(base=base)
    for one in config.credentials:
        access = access.with_(one, "hive.toml")
    for one in kept:
        access = access.with_(one, "hive login")
    if all(one.name != DEFAULT_CREDENTIAL for one in access.known):
        present = [name for name in (API_KEY, OAUTH_TOKEN) if environment.get(name)]
        if len(present) == 2:
            raise ConfigError(
                f"both {API_KEY} and {OAUTH_TOKEN} are set: unset the one not to be billed"
            )
        for name in present:
            check_secret(name, environment[name])
        given = tuple(
            Known(DEFAULT_CREDENTIAL, name, (name, environment[name])) for name in present
        )
        access = evolve(access, known=(*given, *access.known))
    return access


def demo(port: int) -> ApiAccess:
    """Access to the demo's scripted API on loopback."""
    url = f"http://127.0.0.1:{port}"
    return ApiAccess(base=((BASE_URL, url),), demo=Known("demo", "scripted", (API_KEY, "demo")))


def _known(credential: NamedCredential, source: str) -> Known:
    if credential.api_key is not None:
        return Known(credential.name, source, (API_KEY, credential.api_key))
    assert credential.oauth_token is not None  # exactly one of the two, by its check
    return Known(credential.name, source, (OAUTH_TOKEN, credential.oauth_token))
