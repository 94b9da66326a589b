"""Bytes to an AgentConfig, or one error with everything that is wrong in them."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import attrs
from attrs import frozen
from cattrs import Converter
from cattrs.errors import BaseValidationError, ClassValidationError, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, override

from hive.agent_config.config import MOST_PROMPT, AgentConfig, key_of
from hive.agent_config.rules import (
    MOST_SHOWN,
    BrokenRules,
    Given,
    HostCaps,
    KeyPath,
    Table,
    character,
    dotted,
    invisible,
    shown,
)
from hive.text import escaped

MOST_FILE = 65_536
"""Bytes of an agent.toml."""

MOST_DEPTH = 8
MOST_TOLD = 20
"""Faults in the text of one error; all of them are in `faults`."""

_TOO_DEEP = f"sections or lists are nested too deeply: at most {MOST_DEPTH} levels"
_MOST_HINTED = 40
_STRING = re.compile(
    r"""(?s:\"{3}.*?(?:\"{3}|\Z)|'{3}.*?(?:'{3}|\Z))"""
    r"""|"(?:\\.|[^"\\\n])*+"?|'[^'\n]*+'?|\#[^\n]*+"""
)
_LONG_KEY = re.compile(rf"(?<![\w-])(?:[\w-]++[ \t]*+\.[ \t]*+){{{MOST_DEPTH},}}")
"""tomllib takes a time that grows with the square of a key's parts: 20 s for those of 64 KiB."""


@frozen
class Fault:
    """One thing that is wrong: `key` with its sections, or "" for the file as a whole."""

    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.key}: {self.text}" if self.key else self.text


class AgentConfigError(ValueError):
    """The file cannot be used: for each fault which key it is, what is wrong, what is allowed.

    The text is safe for a terminal, whatever the file contains: a line for each of the first
    MOST_TOLD `faults`, with `source` in front of it.
    """

    def __init__(self, source: str, faults: tuple[Fault, ...]) -> None:
        self.source = source
        self.faults = faults
        lines = [f"{source}: {fault}" for fault in faults[:MOST_TOLD]]
        if len(faults) > MOST_TOLD:
            lines.append(f"{source}: … and {len(faults) - MOST_TOLD} more")
        super().__init__("\n".join(map(escaped, lines)))


def parse(
    data: bytes,
    *,
    source: str = "agent.toml",
    agent: str | None = None,
    host: HostCaps | None = None,
) -> AgentConfig:
    """Read an agent.toml; raises AgentConfigError, whatever `data` is.

    With the name of its `agent`, lists of other agents must not hold that; with `host`, no cap may
    be above what that machine has.
    """
    faults, text = _text(data)
    if text is None:
        raise AgentConfigError(source, faults)
    values: dict[str, Any] = {}
    config: AgentConfig | None = None
    wrong: list[Fault] = []
    try:
        values = _values(text)
        config = _converter(Given(agent, host)).structure(values, AgentConfig)
    except (BrokenRules, BaseValidationError) as error:
        wrong = [Fault(dotted(path, MOST_SHOWN), what) for path, what in faults_of(error)]
    faults = (*faults, *_hidden(text, values), *wrong)
    if config is None or faults:
        raise AgentConfigError(source, faults)
    return config


# --- bytes to plain values -----------------------------------------------------------------------


def _text(data: bytes) -> tuple[tuple[Fault, ...], str | None]:
    """What is wrong with the bytes, and the text, or None if there is none to go on with."""
    if len(data) > MOST_FILE:
        return (Fault("", f"has more than {MOST_FILE} bytes"),), None
    faults: tuple[Fault, ...] = ()
    if data.startswith(b"\xef\xbb\xbf"):
        faults = (Fault("", "begins with a byte order mark: save it as UTF-8 without one"),)
        data = data[3:]
    try:
        return faults, data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        text = f"is not UTF-8: {error.reason} at byte {error.start}, in line {line}"
        return (*faults, Fault("", text)), None


def _values(text: str) -> dict[str, Any]:
    """The TOML as plain values, nested no deeper than MOST_DEPTH; raises BrokenRules."""
    if _LONG_KEY.search(_STRING.sub("s", text)):
        raise BrokenRules(((), _TOO_DEEP))
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BrokenRules(((), f"is not TOML: {escaped(str(error)[:200])}")) from None
    except RecursionError:
        raise BrokenRules(((), _TOO_DEEP)) from None
    except ValueError:  # Python reads no decimal number of more than 4,300 digits
        raise BrokenRules(((), "is not TOML: a number has too many digits")) from None
    for _, depth in _everything(values):
        if depth > MOST_DEPTH:
            raise BrokenRules(((), _TOO_DEEP))
    return values


def _everything(values: object) -> Iterator[tuple[object, int]]:
    """Each value, and each key, with its depth; not recursive, because the depth is not ours."""
    waiting = [(values, 0)]
    while waiting:
        value, depth = waiting.pop()
        yield value, depth
        match value:
            case dict():
                waiting += [(one, depth + 1) for pair in value.items() for one in pair]
            case list():
                waiting += [(one, depth + 1) for one in value]


def _hidden(text: str, values: Mapping[str, Any]) -> Iterator[Fault]:
    """Characters that nobody sees, where no value or key is told for them: in comments, say."""
    seen = {c for value, _ in _everything(values) if isinstance(value, str) for c in value}
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        for bad in invisible(line.replace("\t", "")):
            if bad not in seen:
                text = f"line {number} holds {character(bad)}: only visible text is allowed"
                yield Fault("", text)


# --- plain values to frozen classes --------------------------------------------------------------


@lru_cache(maxsize=8)
def _converter(given: Given) -> Converter:
    """Reads sections as attrs classes whose fields have rules: nothing is coerced or ignored."""
    converter = Converter(detailed_validation=True, forbid_extra_keys=True)
    converter.register_structure_hook_factory(
        attrs.has, lambda cls: _section_reader(converter, cls, given)
    )
    return converter


def _section_reader(converter: Converter, cls: Any, given: Given) -> Any:
    overrides = {
        field.name: override(struct_hook=_key_reader(converter, known.rule, given))
        for field in attrs.fields(cls)
        if (known := key_of(field)) is not None
    }
    structure: Any = make_dict_structure_fn(cls, converter, **overrides)  # type: ignore[arg-type]

    def read(value: object, _: Any) -> Any:
        if not isinstance(value, dict):
            raise BrokenRules(((), f"is {shown(value)}, must be a section"))
        return structure(value, cls)

    return read


def _key_reader(converter: Converter, rule: Any, given: Given) -> Any:
    if not (isinstance(rule, Table) and isinstance(rule.value, type)):
        return lambda value, _: rule.read(value, given)
    section = rule.value

    def read(value: object) -> Any:
        try:
            return converter.structure(value, section)
        except BaseValidationError as error:
            raise BrokenRules(*faults_of(error)) from None

    return lambda value, _: rule.read_with(read, value, given)


def faults_of(error: Exception, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong by an error of cattrs or of a rule, each with its place, `path` before it.

    Of classes whose fields are made with `key`.
    """
    match error:
        case ClassValidationError():
            noted, others = error.group_exceptions()
            for inner, note in noted:
                if isinstance(inner, KeyError):
                    yield (*path, note.name), _missing(error.cl, note.name)
                else:
                    yield from faults_of(inner, (*path, note.name))
            for inner in others:
                yield from faults_of(inner, path)
        case ForbiddenExtraKeysError():
            for number, name in enumerate(sorted(error.extra_fields)):
                yield (*path, name), _unknown(error.cl, name, hint=number < MOST_TOLD)
        case BrokenRules():
            for inside, text in error.faults:
                yield (*path, *inside), text
        case _:
            yield path, escaped(str(error)[:200])


def _missing(cls: type, name: str) -> str:
    known = key_of(getattr(attrs.fields(cls), name))
    return "is missing" if known is None else f"is missing, must be {known.rule.words}"


def _unknown(cls: type, name: str, *, hint: bool) -> str:
    here = sorted(field.name for field in attrs.fields(cls))
    near: list[str] = []
    if hint and len(name) <= _MOST_HINTED:
        near += get_close_matches(name, here, 1)
        near += [dotted(path) for path in _paths(AgentConfig) if path[-1] == name]
    meant = f", did you mean {near[0]}?" if near else ","
    return f"is no known key{meant} known here are {', '.join(here)}"


def _paths(cls: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    for field in attrs.fields(cls):
        yield (*path, field.name)
        if key_of(field) is None:
            yield from _paths(field.type, (*path, field.name))


def check_prompt(data: bytes) -> str:
    """The text of a prompt file; raises ValueError with what is wrong and what is allowed."""
    if len(data) > MOST_PROMPT:
        raise ValueError(f"has more than {MOST_PROMPT} bytes")
    if b"\0" in data:
        raise ValueError("holds a NUL character: a prompt is text")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"is not UTF-8: {error.reason} at byte {error.start}: save it as UTF-8"
        ) from None
