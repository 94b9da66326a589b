"""`hive.toml`: read once at start, checked strictly, every value with a default."""

import datetime
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
from attrs import field, frozen
from cattrs import Converter
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError

from hive.files import read_small
from hive.janitor import Retention
from hive.strict import NotAnObject, make_strict, must_be
from hive.text import one_line
from hive.wire.bounds import MOST_BODY
from hive.wire.logins import OWN_LOGIN
from hive.wire.names import check_name

MOST_SECRET = 4096
_SECRET = re.compile(rf"[!-~]{{1,{MOST_SECRET}}}")
_MODEL = re.compile(r"[^\s,-][^\s,]*")
"""The CLI takes several as one word with commas; one that began with `-` would be an option."""

LEAST_HARNESS_SILENCE_S = 12.0
MOST_FILE = 262_144
MOST_ERROR = 500
MOST_NUMBER = 1_000_000_000
"""Of anything; as seconds, thirty years."""
MOST_DEPTH = 8
_TOO_DEEP = f"sections or lists are nested too deeply: at most {MOST_DEPTH} levels"


class ConfigError(ValueError):
    """The configuration cannot be used; the text says where, what is allowed and what to do."""


def check_secret(where: str, value: str) -> None:
    """Raise ConfigError, without the value, unless it can be a key or token; `where` names it."""
    if not _SECRET.fullmatch(value):
        raise ConfigError(
            f"{where}: a key or token is one word of printable ASCII, at most {MOST_SECRET} "
            "characters: copy it again, without spaces or line breaks"
        )


def check_model(name: str, where: str = "") -> str:
    """Return `name` if it may name a model; raises ConfigError, which begins with `where`."""
    if not (_MODEL.fullmatch(name) and name.isprintable()):
        raise ConfigError(f"{where}{name!r} cannot be the name of a model")
    return name


def check_credential_name(name: str) -> str:
    """Return `name` if it may name a credential; raises ConfigError."""
    try:
        check_name(name)
    except ValueError as error:
        raise ConfigError(f"credential {error}") from None
    if name == OWN_LOGIN:
        raise ConfigError(f"{name!r} stands for an agent's own login: choose another name")
    return name


def _models(_: Any, attribute: "attrs.Attribute[Any]", names: str | tuple[str, ...] | None) -> None:
    for name in (names,) if isinstance(names, str) else names or ():
        check_model(name, f"{attribute.name}: ")


_SECONDS = must_be("above 0 seconds", lambda seconds: seconds > 0)
_PAUSE = must_be("0 seconds or more", lambda seconds: seconds >= 0)
_COUNT = must_be("above 0", lambda count: count > 0)


@frozen
class ClaudeConfig:
    """`[claude]`: which binary and which models.

    `path` None: the one on PATH, else the bundled one. `model` None: its default.
    """

    path: str | None = None
    model: str | None = field(default=None, validator=_models)
    fallback_models: tuple[str, ...] = field(default=(), validator=_models)
    """What the CLI may use instead when the model is overloaded or does not exist, in order."""


@frozen
class NamedCredential:
    """`[credentials.NAME]`: exactly one of a key and a token; neither is ever shown."""

    name: str
    api_key: str | None = field(default=None, repr=False)
    oauth_token: str | None = field(default=None, repr=False)

    def check(self) -> None:
        """Raise ConfigError, without the secret, unless agents can use it."""
        check_credential_name(self.name)
        where = f"credential {self.name!r}"
        if (self.api_key is None) == (self.oauth_token is None):
            raise ConfigError(f"{where} needs one of api_key and oauth_token, and not both")
        check_secret(where, self.api_key or self.oauth_token or "")


@frozen
class AgentsConfig:
    """`[agents]`: times and sizes that hold for every agent; seconds unless said otherwise."""

    driver: str = "bubblewrap"
    body_cap: int = field(
        default=16384,
        validator=must_be(f"1 to {MOST_BODY} bytes", lambda size: 0 < size <= MOST_BODY),
    )
    """Largest message body in bytes."""
    orphan_after_s: float = field(default=900.0, validator=_SECONDS)
    """A harness without its daemon for so long ends its container after its turn."""
    turn_silence_s: float = field(default=600.0, validator=_SECONDS)
    """A turn in which the CLI prints nothing for so long is stopped."""
    alarm_after_s: float = field(default=60.0, validator=_SECONDS)
    """Queued, connected, not parked, and no turn for so long: the harness is restarted."""
    harness_silence_s: float = field(
        default=30.0,
        validator=[
            _SECONDS,
            must_be(
                f"{LEAST_HARNESS_SILENCE_S:g} seconds or more: a healthy harness reports every 5 "
                "seconds",
                lambda seconds: seconds >= LEAST_HARNESS_SILENCE_S,
            ),
        ],
    )
    """A harness of which nothing is heard for so long is restarted (twice that at its start)."""
    stop_grace_s: float = field(default=10.0, validator=_SECONDS)
    """How long a harness may take to end its turn when it is stopped."""
    reconnect_grace_s: float = field(default=5.0, validator=_SECONDS)
    """How long a lease outlives the connection of its holder."""


@frozen
class GateConfig:
    """`[gate]`: how agents go on after a limit of the API, in seconds."""

    margin_s: float = field(default=5.0, validator=_PAUSE)
    """Waited beyond the reset that the API told."""
    spacing_s: float = field(default=3.0, validator=_PAUSE)
    """Between one agent and the next, once a first one has found the API open."""


@frozen
class RemindersConfig:
    """`[reminders]`: how many each agent may have."""

    pending: int = field(default=50, validator=_COUNT)
    """How many may wait."""
    burst: int = field(default=10, validator=_COUNT)
    """How many may be set at once."""
    per_hour: float = field(default=30.0, validator=_COUNT)
    """How many may be set in an hour, in the long run."""


@frozen
class Config:
    """The whole of hive.toml, with a default for each setting that it leaves out."""

    claude: ClaudeConfig = ClaudeConfig()
    credentials: tuple[NamedCredential, ...] = ()
    agents: AgentsConfig = AgentsConfig()
    gate: GateConfig = GateConfig()
    reminders: RemindersConfig = RemindersConfig()
    retention: Retention = field(factory=Retention)


_CONVERTER = make_strict(Converter(forbid_extra_keys=True))


def parse(toml: str, *, source: str = "hive.toml") -> Config:
    """Read the TOML text; raises ConfigError with `source` and the path of what is wrong."""
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
    """Read the file at `path`; a missing one means all defaults unless it is `required`.

    Raises ConfigError when it cannot be read or used. One that is named by the operator may be a
    pipe, as of `--config <(decrypt hive.toml)`.
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
