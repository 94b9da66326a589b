"""What a key may be set to: each rule says it in words, checks a value, and reads it.

A rule reads what TOML gives (lists, tables) as well as what a field holds (tuples), so that it is
the validator of the field, too. A value that it refuses raises BrokenRules with everything that is
wrong in it. Texts come from models: what is shown of them is short and escaped.
"""

import os
import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from hive.text import escaped
from hive.wire.names import EVERYBODY, check_name

KeyPath = tuple[str | int, ...]
"""Where something is wrong: keys and places in lists, from the outside in."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
MOST_SHOWN = 60
"""Characters of a text or a key in an error."""

NAMES = (
    "a lower case letter, then up to 30 lower case letters, digits or '-', and none of operator, "
    "hive and all"
)
"""What `check_name` allows, in words."""

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of control characters, of format characters (all that reorder or hide text
are among them), of halves of a character, and of separators of lines and paragraphs."""


class BrokenRules(ValueError):
    """A value is not what its key may be set to: where in it, and why, for each thing wrong."""

    def __init__(self, *faults: tuple[KeyPath, str]) -> None:
        super().__init__(
            "; ".join(f"{dotted(path, MOST_SHOWN)}: {text}".lstrip(": ") for path, text in faults)
        )
        self.faults = faults


@frozen
class HostCaps:
    """What a machine has: memory in MiB, processors, and how many processes may run on it."""

    memory_mib: int
    cpus: int
    processes: int

    @classmethod
    def of_this_machine(cls) -> "HostCaps":
        """What the kernel says of the machine that this runs on; raises OSError, ValueError."""
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        processes = int(Path("/proc/sys/kernel/pid_max").read_text("ascii"))
        return cls(memory >> 20, os.cpu_count() or 1, processes)


@frozen
class Given:
    """What a check may know besides the file; None: unknown, and nothing is refused for it."""

    agent: str | None = None
    """The name of the agent that the file is for."""
    host: HostCaps | None = None


class KeyRule(ABC):
    """What a key may be set to."""

    @property
    @abstractmethod
    def words(self) -> str:
        """What is allowed, as it stands behind "must be"."""

    @abstractmethod
    def read(self, value: object, given: Given) -> Any:
        """The value as the field holds it; raises BrokenRules."""

    def __call__(self, _instance: object, _attribute: object, value: object) -> None:
        """Check a value as attrs asks its validators; raises BrokenRules."""
        self.read(value, Given())

    def refuse(self, value: object) -> BrokenRules:
        """The error for a value of which nothing more is to be said."""
        return BrokenRules(((), f"is {shown(value)}, must be {self.words}"))


@frozen
class TextRule(KeyRule):
    """A text of up to `most` characters, all of them visible, that `fits`."""

    words: str
    most: int
    fits: Callable[[str], object] = bool
    secret: bool = False
    """Not to be shown: it may be a password by mistake."""

    def read(self, value: object, given: Given) -> str:
        if isinstance(value, str) and (bad := invisible(value)):
            raise BrokenRules(((), f"holds {character(bad[0])}, must be {self.words}"))
        if not (isinstance(value, str) and len(value) <= self.most and self.fits(value)):
            if isinstance(value, str) and self.secret:
                raise BrokenRules(((), f"must be {self.words}"))
            raise self.refuse(value)
        return value


@frozen
class Name(KeyRule):
    """The name of another agent, also of one that does not exist yet."""

    everybody: bool = False
    """Whether EVERYBODY may stand for all others."""
    hint: str = ""
    """What to do instead of naming EVERYBODY, where that is not allowed."""

    @property
    def words(self) -> str:
        every = f' or "{EVERYBODY}" for every other agent' if self.everybody else ""
        return f"an agent's name{every}"

    def read(self, value: object, given: Given) -> str:
        if not isinstance(value, str):
            raise self.refuse(value)
        if value == EVERYBODY and self.everybody:
            return value
        try:
            check_name(value)
        except ValueError:
            raise BrokenRules(
                ((), f"is {shown(value)}, must be {self.words}: {NAMES}{self.hint}")
            ) from None
        if value == given.agent:
            raise BrokenRules(((), f"is {shown(value)}, the agent itself: name other agents"))
        return value


@frozen
class Number(KeyRule):
    """A number from `least` to `most`, a whole one if `whole`, not `least` itself if `above`."""

    least: float
    most: float
    unit: str = ""
    whole: bool = True
    above: bool = False
    host: str | None = None
    """Of which field of HostCaps it must not be more."""

    @property
    def words(self) -> str:
        what = "a whole number" if self.whole else "a number"
        least, most = (
            f"{one:_}" if isinstance(one, int) else f"{one:g}" for one in (self.least, self.most)
        )
        low = f"above {least}, up" if self.above else f"from {least}"
        return f"{what} {low} to {most}{self.unit}"

    def read(self, value: object, given: Given) -> int | float:
        number = value if type(value) is int or (type(value) is float and not self.whole) else None
        if number is None or not self.least <= number <= self.most:  # so is NaN
            raise self.refuse(value)
        if self.above and number == self.least:
            raise self.refuse(value)
        if self.host is not None and given.host is not None:
            most = getattr(given.host, self.host)
            if number > most:
                raise BrokenRules(
                    ((), f"is {shown(number)}, must be at most {most}: this machine has no more")
                )
        return number if self.whole else float(number)


@frozen
class Choice(KeyRule):
    """One of some texts."""

    options: tuple[str, ...]

    @property
    def words(self) -> str:
        return " or ".join(f'"{one}"' for one in self.options)

    def read(self, value: object, given: Given) -> str:
        if not (isinstance(value, str) and value in self.options):
            raise self.refuse(value)
        return value


@frozen
class Flag(KeyRule):
    """Yes or no."""

    words: str = "true or false"

    def read(self, value: object, given: Given) -> bool:
        if not isinstance(value, bool):
            raise self.refuse(value)
        return value


@frozen
class ListOf(KeyRule):
    """At most `most` values, each of them once unless `again`."""

    item: KeyRule
    what: str
    most: int
    again: bool = False

    @property
    def words(self) -> str:
        return f"a list of up to {self.most} {self.what}, each {self.item.words}"

    def read(self, value: object, given: Given) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise BrokenRules(((), f"is {shown(value)}, must be a list of {self.what}"))
        faults: list[tuple[KeyPath, str]] = []
        if len(value) > self.most:
            faults.append(((), f"has {len(value)} {self.what}, at most {self.most} are allowed"))
        read: list[Any] = []
        for index, one in enumerate(value[: self.most]):
            try:
                item = self.item.read(one, given)
            except BrokenRules as error:
                faults += [((index, *path), text) for path, text in error.faults]
                continue
            if item in read and not self.again:
                faults.append(((index,), f"is {shown(one)} again: give each once"))
            read.append(item)
        if faults:
            raise BrokenRules(*faults)
        return tuple(read)


@frozen
class Either(KeyRule):
    """What the one rule allows for a text, and the other for everything else."""

    text: KeyRule
    other: KeyRule

    @property
    def words(self) -> str:
        return f"{self.text.words}, or {self.other.words}"

    def read(self, value: object, given: Given) -> Any:
        if isinstance(value, str):
            try:
                return self.text.read(value, given)
            except BrokenRules:
                raise self.refuse(value) from None
        return self.other.read(value, given)


@frozen
class Table(KeyRule):
    """At most `most` names and their values, which the field holds as pairs sorted by name."""

    name: KeyRule
    what: str
    most: int
    value: KeyRule | type
    """A rule, or the attrs class of the sections that the values are."""

    @property
    def words(self) -> str:
        values = f"; each value {self.value.words}" if isinstance(self.value, KeyRule) else ""
        return f"a section of up to {self.most} {self.what}; each name {self.name.words}{values}"

    def read(self, value: object, given: Given) -> Any:
        def read(one: object) -> Any:
            if isinstance(self.value, KeyRule):
                return self.value.read(one, given)
            if not isinstance(one, self.value):
                raise BrokenRules(((), f"is {shown(one)}, must be a section"))
            return one

        return self.read_with(read, value, given)

    def read_with(self, read: Callable[[object], Any], value: object, given: Given) -> Any:
        """The pairs, their values made by `read`; raises BrokenRules, also that of `read`."""
        if isinstance(value, tuple):
            value = dict(value)
        if not isinstance(value, Mapping):
            raise BrokenRules(((), f"is {shown(value)}, must be a section of {self.what}"))
        faults: list[tuple[KeyPath, str]] = []
        if len(value) > self.most:
            faults.append(((), f"has {len(value)} {self.what}, at most {self.most} are allowed"))
        pairs: list[tuple[str, Any]] = []
        for name, one in list(value.items())[: self.most]:
            try:
                self.name.read(name, given)
            except BrokenRules as error:
                faults += [((name,), f"its name {text}") for _, text in error.faults]
                continue
            try:
                pairs.append((name, read(one)))
            except BrokenRules as error:
                faults += [((name, *path), text) for path, text in error.faults]
        if faults:
            raise BrokenRules(*faults)
        return tuple(sorted(pairs, key=lambda pair: pair[0]))


def invisible(text: str) -> str:
    """The characters of the text that cannot be seen, or that reorder what is seen, each once."""
    return "".join(one for one in dict.fromkeys(text) if unicodedata.category(one) in _INVISIBLE)


def character(one: str) -> str:
    """A character in words: `U+202E (right-to-left override)`."""
    name = unicodedata.name(one, "a control character").lower()
    return f"U+{ord(one):04X} ({name})"


def dotted(path: KeyPath, most: int | None = None) -> str:
    """`mcp_servers.github.args[2]`: what is no bare key of TOML, or longer than `most`, in quotes.

    With `most` it is cut to that, and safe for a terminal.
    """
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        bare = _BARE.fullmatch(part) and (most is None or len(part) <= most)
        plain = part if bare else quoted(part) if most is None else shown(part, most)
        text += f".{plain}" if text else plain
    return text


def quoted(text: str) -> str:
    """A text without control characters as TOML has it."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'


def shown(value: object, most: int = MOST_SHOWN) -> str:
    """A value as TOML has it, on one line, a text cut to `most` characters; safe for a terminal."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return escaped(quoted(value if len(value) <= most else f"{value[: most - 1]}…"))
        case int():
            return str(value) if abs(value) <= 10**15 else "a number beyond 10^15"
        case float():
            return f"{value:.16g}"
        case Mapping():
            return "a section"
        case list() | tuple():
            return "a list"
    return "a date or time"
