"""`hive.toml`: read once at start, checked strictly, every value with a default."""

import datetime
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
from attrs import field, frozen
from cattrs import Converter
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError

from hive.agents import AgentsConfig, ClaudeConfig
from hive.credentials import NamedCredential, check_credential_name
from hive.files import read_small
from hive.janitor import Retention
from hive.reminders import ReminderLimits
from hive.strict import NotAnObject, make_strict, must_be
from hive.text import one_line
from hive.wire.bounds import MOST_NUMBER

MOST_FILE = 262_144
MOST_ERROR = 500
MOST_DEPTH = 8
_TOO_DEEP = f"sections or lists are nested too deeply: at most {MOST_DEPTH} levels"

_PAUSE = must_be("0 seconds or more", lambda seconds: seconds >= 0)


class ConfigError(ValueError):
    """The configuration cannot be used; the text says where, what is allowed and what to do."""


@frozen
class GateConfig:
    """`[gate]`: how agents go on after a limit of the API, in seconds."""

    margin_s: float = field(default=5.0, validator=_PAUSE)
    """Waited beyond the reset that the API told."""
    spacing_s: float = field(default=3.0, validator=_PAUSE)
    """Between one agent and the next, once a first one has found the API open."""


@frozen
class Config:
    """The whole file; a section that is missing has its defaults."""

    claude: ClaudeConfig = field(factory=ClaudeConfig)
    credentials: tuple[NamedCredential, ...] = ()
    agents: AgentsConfig = field(factory=AgentsConfig)
    gate: GateConfig = GateConfig()
    reminders: ReminderLimits = field(factory=ReminderLimits)
    retention: Retention = field(factory=Retention)


_CONVERTER = make_strict(Converter(forbid_extra_keys=True))


def parse(toml: str, *, source: str = "hive.toml") -> Config:
    """Read the TOML text; raises ConfigError, whose text names `source` and the setting."""
    try:
        values = tomllib.loads(toml)
        _check_values(values)
        _name_credentials(values)
        config = _CONVERTER.structure(values, Config)
        for credential in config.credentials:
            credential.check()
    except RecursionError:
        raise ConfigError(f"{source}: {_TOO_DEEP}") from None
    except ClassValidationError as error:
        faults = "; ".join(_faults(error, ""))
        raise ConfigError(f"{source}: {one_line(faults, MOST_ERROR)}") from None
    except ValueError as error:  # a TOMLDecodeError is one
        raise ConfigError(f"{source}: {one_line(str(error), MOST_ERROR)}") from None
    return config


def _faults(error: BaseException, path: str) -> Iterator[str]:
    """What is wrong with the value at `path`."""
    match error:
        case ClassValidationError():
            of_fields, others = error.group_exceptions()
            at = f"{path}." if path else ""
            for other in others:
                if isinstance(other, ForbiddenExtraKeysError):
                    known = sorted(one.name for one in attrs.fields(other.cl))
                    yield f"unknown setting {at}{min(other.extra_fields)}, known are {known}"
                else:  # a validator's
                    yield f"{at}{other}"
            for inner, note in of_fields:
                yield from _faults(inner, f"{at}{note.name}")
        case IterableValidationError():
            of_items, _ = error.group_exceptions()
            for inner, item in of_items:
                yield from _faults(inner, f"{path}[{item.index}]")
        case NotAnObject():
            yield f"{path} must be a section: write [{path}]"
        case _:
            yield f"{error} @ $.{path}"


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
