"""`hive.toml`: read once at start, checked strictly, every value with a default."""

import datetime
import tomllib
from pathlib import Path
from typing import Any

import attrs
import orjson
from attrs import field, frozen

from hive.agents.settings import AgentsConfig, ClaudeConfig, check_model
from hive.credentials import NamedCredential, check_credential_name
from hive.files import read_small
from hive.janitor import Retention
from hive.supervisors import one_line
from hive.wire.bounds import MOST_BODY
from hive.wire.codec import WireError, decode


class ConfigError(ValueError):
    """The configuration cannot be used; the text says where, what is allowed and what to do."""


@frozen
class GateConfig:
    """`[gate]`: seconds; how agents go on after a limit."""

    margin_s: float = 5.0
    """Waited beyond the reset that the API told."""
    spacing_s: float = 3.0
    """Between one agent and the next, once a first one has found the API open."""


@frozen
class RemindersConfig:
    """`[reminders]`: of each agent."""

    pending: int = 50
    """How many may wait."""
    burst: int = 10
    """How many may be set at once."""
    per_hour: float = 30.0
    """How many may be set in an hour, in the long run."""


@frozen
class Config:
    """The whole file; a section that is missing has its defaults."""

    claude: ClaudeConfig = field(factory=ClaudeConfig)
    credentials: tuple[NamedCredential, ...] = ()
    agents: AgentsConfig = field(factory=AgentsConfig)
    gate: GateConfig = GateConfig()
    reminders: RemindersConfig = RemindersConfig()
    retention: Retention = field(factory=Retention)


LEAST_HARNESS_SILENCE_S = 12.0
MOST_FILE = 262_144
MOST_NUMBER = 1_000_000_000
"""Of anything; as seconds, thirty years."""
MOST_DEPTH = 8
_TOO_DEEP = f"sections or lists are nested too deeply: at most {MOST_DEPTH} levels"


def parse(toml: str, *, source: str = "hive.toml") -> Config:
    """Read the TOML text; raises ConfigError, whose text names `source` and the setting."""
    try:
        values = tomllib.loads(toml)
        _check_values(values)
        _name_credentials(values)
        _refuse_unknown(values, Config, "")
        config: Config = decode(orjson.dumps(values), Config)
        _check(config)
    except RecursionError:
        raise ConfigError(f"{source}: {_TOO_DEEP}") from None
    except (ValueError, WireError) as error:  # a TOMLDecodeError is a ValueError
        raise ConfigError(f"{source}: {one_line(str(error))}") from None
    return config


def _check_values(values: dict[str, Any]) -> None:
    """Refuse values that TOML has and no setting; raises ConfigError."""
    waiting: list[tuple[str, int, Any]] = [("", 0, values)]
    while waiting:
        name, depth, value = waiting.pop()
        if depth > MOST_DEPTH:
            raise ConfigError(_TOO_DEEP)
        match value:
            case dict():
                at = f"{name}." if name else ""
                waiting += [(f"{at}{key}", depth + 1, inner) for key, inner in value.items()]
            case list():
                waiting += [(name, depth + 1, inner) for inner in value]
            case datetime.date() | datetime.time():
                raise ConfigError(f"{name}: no setting is a date or time: put it in quotes")
            case bool():
                raise ConfigError(f"{name}: no setting is true or false")
            case int() | float() if not abs(value) <= MOST_NUMBER:  # so is what is no number
                raise ConfigError(f"{name}: a number is at most {MOST_NUMBER}")
            case str() if "\0" in value:
                raise ConfigError(f"{name}: a text holds no NUL character")


def _name_credentials(values: dict[str, Any]) -> None:
    """`[credentials.NAME]` sections become values with a name; raises ConfigError."""
    sections = values.pop("credentials", {})
    if not isinstance(sections, dict):
        raise ConfigError("credentials must be sections: write [credentials.default]")
    for name, one in sections.items():
        check_credential_name(name)
        if not isinstance(one, dict):
            raise ConfigError(f"credentials.{name} must be a section: write [credentials.{name}]")
        if unknown := one.keys() - {"api_key", "oauth_token"}:
            raise ConfigError(
                f"unknown setting credentials.{name}.{min(unknown)}, "
                "known are ['api_key', 'oauth_token']"
            )
    values["credentials"] = [{"name": name, **one} for name, one in sections.items()]


def _check(config: Config) -> None:
    agents, gate = config.agents, config.gate
    for credential in config.credentials:
        credential.check()
    if config.claude.model is not None:
        check_model(config.claude.model, "claude.model: ")
    for model in config.claude.fallback_models:
        check_model(model, "claude.fallback_models: ")
    if not 0 < agents.body_cap <= MOST_BODY:
        raise ConfigError(f"agents.body_cap must be 1 to {MOST_BODY} bytes")
    for name, value in attrs.asdict(agents).items():
        if name.endswith("_s") and not value > 0:
            raise ConfigError(f"agents.{name} must be above 0 seconds")
    if agents.harness_silence_s < LEAST_HARNESS_SILENCE_S:
        raise ConfigError(
            f"agents.harness_silence_s must be {LEAST_HARNESS_SILENCE_S:g} seconds or more: "
            "a healthy harness reports every 5 seconds"
        )
    for name, value in attrs.asdict(gate).items():
        if value < 0:
            raise ConfigError(f"gate.{name} must be 0 seconds or more")
    for name, value in attrs.asdict(config.reminders).items():
        if not value > 0:
            raise ConfigError(f"reminders.{name} must be above 0")
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
    """Read the file at `path` (blocks); a missing one means all defaults unless it is `required`.

    Raises ConfigError. A required one, which the operator has named, may be a pipe, as of
    `--config <(decrypt hive.toml)`.
    """
    try:
        if required:
            with path.open("rb") as file:
                data = file.read(MOST_FILE + 1)
        else:
            data = read_small(path, most=MOST_FILE, follow=True)
        text = data.decode("utf-8-sig")
    except FileNotFoundError as error:
        if required or path.is_symlink():
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
        return Config()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8: {error.reason} at byte {error.start}") from None
    if len(data) > MOST_FILE:
        raise ConfigError(f"{path}: has more than {MOST_FILE} bytes")
    return parse(text, source=str(path))
