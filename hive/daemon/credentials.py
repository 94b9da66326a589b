"""Which environment the CLI gets to reach its API: one credential, never two, never shown."""

from collections.abc import Mapping

from attrs import field, frozen

from hive.daemon.config import Config, ConfigError

API_KEY = "ANTHROPIC_API_KEY"
OAUTH_TOKEN = "CLAUDE_CODE_OAUTH_TOKEN"
BASE_URL = "ANTHROPIC_BASE_URL"


@frozen
class ApiAccess:
    """The variables for claude's environment; empty `variables` means that nothing is set."""

    source: str
    variables: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        return any(name in (API_KEY, OAUTH_TOKEN) for name, _ in self.variables)


def resolve(config: Config, environment: Mapping[str, str]) -> ApiAccess:
    """Choose the credential: the file's wins over the environment's.

    Raises ConfigError when the environment has both kinds: the CLI would silently bill the key.
    """
    base = ((BASE_URL, environment[BASE_URL]),) if environment.get(BASE_URL) else ()
    default = config.credentials.default
    if default.api_key:
        return ApiAccess("[credentials.default] api_key", ((API_KEY, default.api_key), *base))
    if default.oauth_token:
        pair = (OAUTH_TOKEN, default.oauth_token)
        return ApiAccess("[credentials.default] oauth_token", (pair, *base))
    present = [name for name in (API_KEY, OAUTH_TOKEN) if environment.get(name)]
    if len(present) == 2:
        raise ConfigError(
            f"both {API_KEY} and {OAUTH_TOKEN} are set: unset the one not to be billed"
        )
    if present:
        return ApiAccess(present[0], ((present[0], environment[present[0]]), *base))
    return ApiAccess("none", base)


def demo(port: int) -> ApiAccess:
    """Access to the demo's scripted API on loopback."""
    url = f"http://127.0.0.1:{port}"
    return ApiAccess("demo", ((API_KEY, "demo"), (BASE_URL, url)))
