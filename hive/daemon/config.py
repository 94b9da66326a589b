"""`hive.toml`: read once at start, checked strictly, every value with a default."""

import tomllib
from pathlib import Path
from typing import Any

import attrs
import orjson
from attrs import field, frozen

from hive.janitor import Retention
from hive.wire import WireError, decode


class ConfigError(ValueError):
    """The configuration cannot be used; the text says where, what is allowed and what to do."""


@frozen
class ClaudeConfig:
    """`[claude]`: which binary and model; None means found on PATH or bundled, and its default."""

    path: str | None = None
    model: str | None = None


@frozen
class Credential:
    """`[credentials.NAME]`: exactly one of the two; never shown."""

    api_key: str | None = field(default=None, repr=False)
    oauth_token: str | None = field(default=None, repr=False)


@frozen
class Credentials:
    default: Credential = Credential()


@frozen
class AgentsConfig:
    """`[agents]`: seconds unless said otherwise."""

    driver: str = "bubblewrap"
    body_cap: int = 16384
    """Largest message body in bytes."""
    orphan_after_s: float = 900.0
    """A harness without its daemon for so long ends its container after its turn."""
    turn_silence_s: float = 600.0
    """A turn in which the CLI prints nothing for so long is stopped."""
    alarm_after_s: float = 60.0
    """Queued, connected, not parked, and no turn for so long: the harness is restarted."""
    stop_grace_s: float = 10.0
    """How long a harness may take to end its turn when it is stopped."""
    reconnect_grace_s: float = 5.0
    """How long a lease outlives the connection of its holder."""


@frozen
class Config:
    """The whole file."""

    claude: ClaudeConfig = ClaudeConfig()
    credentials: Credentials = Credentials()
    agents: AgentsConfig = AgentsConfig()
    retention: Retention = field(factory=Retention)


MOST_BODY_CAP = 100_000
"""Even a body of characters that JSON must escape then fits into a frame."""


def parse(toml: str, *, source: str = "hive.toml") -> Config:
    """Read the TOML text; raises ConfigError with the path of what is wrong."""
    try:
        values = tomllib.loads(toml)
        _refuse_unknown(values, Config, "")
        text = orjson.dumps(values, option=orjson.OPT_PASSTHROUGH_DATETIME)
        config: Config = decode(text, Config)
        _check(config)
    except orjson.JSONEncodeError:
        raise ConfigError(f"{source}: no setting is a date or time: put it in quotes") from None
    except (tomllib.TOMLDecodeError, WireError, ConfigError) as error:
        raise ConfigError(f"{source}: {error}") from None
    return config


def _check(config: Config) -> None:
    default, agents = config.credentials.default, config.agents
    if default.api_key and default.oauth_token:
        raise ConfigError("[credentials.default] has both api_key and oauth_token: keep one")
    if not 0 < agents.body_cap <= MOST_BODY_CAP:
        raise ConfigError(f"agents.body_cap must be 1 to {MOST_BODY_CAP} bytes")
    for name, value in attrs.asdict(agents).items():
        if name.endswith("_s") and not value > 0:
            raise ConfigError(f"agents.{name} must be above 0 seconds")
    for fault in config.retention.faults():
        raise ConfigError(fault)


def _refuse_unknown(values: dict[str, Any], cls: type[attrs.AttrsInstance], path: str) -> None:
    """A misspelt setting must not be ignored in silence."""
    known = {one.name: one.type for one in attrs.fields(cls)}
    for name, value in values.items():
        if name not in known:
            raise ConfigError(f"unknown setting {path}{name}, known are {sorted(known)}")
        inner = known[name]
        if isinstance(inner, type) and attrs.has(inner):
            if not isinstance(value, dict):
                raise ConfigError(f"{path}{name} must be a section: write [{path}{name}]")
            _refuse_unknown(value, inner, f"{path}{name}.")


def load(path: Path, *, required: bool = False) -> Config:
    """Read the file at `path`; a missing one means all defaults unless it is `required`."""
    if not path.exists() and not required:
        return Config()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    return parse(text, source=str(path))
