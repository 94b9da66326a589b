"""Redaction: takes credentials out of texts, by known values and by the shape of API keys.

A text is searched where it enters the hive, before it is stored or shown: in the harness before
the journal, in the daemon at its sockets. In the place of a secret stands what it was.
"""

import json
import re
from collections import deque
from collections.abc import Iterable
from functools import cache
from typing import Any, TypeVar
from urllib.parse import quote

import attrs

KEY_HIDDEN = "[an API key]"
SHORTEST = 8
"""A shorter value would hide ordinary words."""

MOST_EACH = 64
"""Values under one label that stay known; a replaced credential may still be in some program."""

_KEY_BEGINS = "sk-ant-"
_ANY_KEY = re.compile(rf"{_KEY_BEGINS}[\w-]{{6,}}")
_NAMES = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)$")

_PLAIN = frozenset({int, float, bool, type(None)})

T = TypeVar("T")


@attrs.frozen
class _Needle:
    """A secret as it may be written; whoever has its `head`, half of it, has too much of it."""

    whole: str
    head: str
    label: str


class Secrets:
    """The values that are known to be secret in this process. May be used in any thread."""

    def __init__(self) -> None:
        self._known: dict[str, deque[str]] = {}
        self._needles: tuple[_Needle, ...] = ()

    def learn(self, value: str, label: str) -> None:
        """Let `[secret LABEL]` stand for `value` from now on.

        Of one label the newest 64 values are known. Values shorter than 8 characters are not
        learnt: they would hide ordinary words.
        """
        known = self._known.setdefault(label, deque(maxlen=MOST_EACH))
        if len(value) < SHORTEST or value in known:
            return
        known.append(value)
        needles = {
            form: _Needle(form, form[: max(SHORTEST, len(form) // 2)], f"[secret {label}]")
            for label, values in self._known.items()
            for value in values
            for form in _forms(value)
        }
        self._needles = tuple(sorted(needles.values(), key=lambda one: -len(one.whole)))

    def learn_variables(self, variables: Iterable[tuple[str, str]]) -> None:
        """Learn the values of those variables (name, value) whose names end in KEY, TOKEN, etc."""
        for name, value in variables:
            if _NAMES.search(name):
                self.learn(value, name)

    def redact(self, text: str) -> str:
        """Return the text with all secrets replaced; the same object when there is none.

        Of a value that is cut off, what is there is hidden when it is half of it or more.
        """
        if len(text) < SHORTEST:
            return text
        for needle in self._needles:
            if needle.head in text:
                text = self._without(text, needle.head)
        if _KEY_BEGINS in text:
            text = _ANY_KEY.sub(KEY_HIDDEN, text)
        return text

    def redact_value(self, value: T) -> T:
        """Return a wire value with all texts redacted; the same object when there is no secret."""
        redacted: Any = self._redacted(value)
        return redacted  # type: ignore[no-any-return]

    def _without(self, text: str, head: str) -> str:
        """Several forms may begin alike: hidden is the one of which the most is there."""
        parts, done = [], 0
        while (found := text.find(head, done)) >= 0:
            length, label = max(
                (_shared(needle.whole, text, found), needle.label) for needle in self._needles
            )
            parts += [text[done:found], label]
            done = found + length
        return "".join([*parts, text[done:]])

    def _redacted(self, value: Any) -> Any:
        kind: Any = type(value)
        if kind is str:
            return self.redact(value)
        if kind is tuple:
            parts = [self._redacted(part) for part in value]
            same = all(new is old for new, old in zip(parts, value, strict=True))
            return value if same else tuple(parts)
        changes = {}
        for name in _fields(kind):
            old = getattr(value, name)
            if type(old) in _PLAIN:
                continue
            if (new := self._redacted(old)) is not old:
                changes[name] = new
        return attrs.evolve(value, **changes) if changes else value


def _forms(value: str) -> Iterable[str]:
    """A value as it is, in JSON, and in a URL."""
    return {value, json.dumps(value)[1:-1], quote(value), quote(value, safe="")}


def _shared(form: str, text: str, at: int) -> int:
    """How many characters of `form` stand in the text from there on."""
    length = 0
    while length < len(form) and at + length < len(text) and text[at + length] == form[length]:
        length += 1
    return length


@cache
def _fields(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(kind)) if attrs.has(kind) else ()
