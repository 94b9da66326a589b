"""What a tool is: a class whose fields are its arguments, and what follows from them.

The fields give the JSON schema that the model reads and the strict check of what it calls the tool
with, so that these cannot differ. An instance of the class is one call that has passed the check.
"""

import types
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, ClassVar, Literal, Protocol, TypeVar, get_args, get_origin

import attrs
from attrs import frozen

from harness.lenient_json import Json, clean
from harness.state import HarnessState
from hive.wire.bodies import Body
from hive.wire.turns import Lease

DONE = '{"done": true}'
"""The answer when there is nothing else to say."""


class BadArguments(ValueError):
    """The model called a tool wrongly; the text tells it what is right."""


class ToolFailed(Exception):
    """The call was not done, or perhaps not; the text is for the model."""


class ToolContext(Protocol):
    """What a tool can use while it is performed; `ToolServer` is one."""

    @property
    def state(self) -> HarnessState:
        """The harness's options, the daemon's settings, and what the running turn holds."""

    async def ask(self, request: Body, unanswered: str) -> Body:
        """Ask the daemon, again after a lost connection.

        Raises ToolFailed, with `unanswered` as the end of its text, when the daemon does not answer
        in time; RemoteError when it refuses; WireError when the request cannot be sent.
        """

    async def take(self, wait: float, most: int) -> Lease | None:
        """Take up to `most` more messages into the running turn, waiting `wait` seconds at most.

        None when no message waits. Raises ToolFailed when no turn is running or the daemon refuses
        or does not answer.
        """


@frozen
class Tool(ABC):
    """One tool. Its arguments are its fields, each made by `argument`; the names in capitals
    cannot be mistaken for one.
    """

    NAME: ClassVar[str]
    DESCRIPTION: ClassVar[str]
    """What the model reads in the list of tools."""
    GUIDE: ClassVar[str] = ""
    """Lines of the system prompt; empty when another tool's lines name this one as well.

    `{body_cap}` in it stands for the largest size of a body in bytes.
    """

    @abstractmethod
    async def perform(self, context: ToolContext) -> str:
        """Do what the tool does; returns the answer for the model.

        What others wrote must not look like a line of the hive's own: answer in JSON. Raises
        ToolFailed when it was not done, and what `ToolContext` raises: the server tells the model.
        """


@frozen
class DaemonTool(Tool):
    """A tool that asks the daemon one thing and tells the model what it answered."""

    UNANSWERED: ClassVar[str] = (
        "it may or may not have been done. Look (loose_ends, list_reminders) before you do it again"
    )
    """What the model reads when the daemon did not answer in time."""

    async def perform(self, context: ToolContext) -> str:
        return self.answer_text(await context.ask(self.wire_request(), self.UNANSWERED))

    @abstractmethod
    def wire_request(self) -> Body:
        """What the daemon is asked. A request that would do something twice has a fresh key: it is
        repeated after a lost connection, and the key makes that the same request.
        """

    def answer_text(self, answer: Body) -> str:
        """The daemon's answer as the model reads it. Raises ToolFailed when it makes no sense."""
        return DONE


def argument(
    text: str, *, least: int | None = None, most: int | None = None, default: Any = attrs.NOTHING
) -> Any:
    """A field of a tool that the model gives.

    Its annotation says what is allowed: `str`, `int`, `float`, `bool`, `tuple[str, ...]`,
    `tuple[int, ...]` or a `Literal` of strings, also with `| None`. `text` tells the model what it
    means. `least` and `most` bound a number, or the length of a string or a list. Without a
    `default` it is required; with one, null is the same as leaving it out.
    """
    return attrs.field(default=default, metadata={"text": text, "least": least, "most": most})


T = TypeVar("T", bound=Tool)


def parse_arguments(tool: type[T], given: object) -> T:
    """The call of `tool` with the arguments that a model has `given`.

    Raises BadArguments with everything that is wrong and what is right.
    """
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise BadArguments(f"{tool.NAME} takes an object of arguments: {_usage(tool)}")
    known = {one.name: one for one in _arguments(tool)}
    errors = [f"unknown argument {excerpt(key)}" for key in given if key not in known]
    errors += [
        f"{one.name} is missing" for one in known.values() if one.required and one.name not in given
    ]
    values = {
        key: value
        for key, value in given.items()
        if key in known and (value is not None or known[key].required)
    }
    errors += [error for key, value in values.items() if (error := known[key].error(value))]
    if errors:
        raise BadArguments(f"{'; '.join(errors)}. Right is: {_usage(tool)}")
    return tool(**{key: known[key].kind.read(value) for key, value in values.items()})


def schema(tool: type[Tool]) -> Json:
    """The tool as `tools/list` of the Model Context Protocol wants it."""
    arguments = _arguments(tool)
    return {
        "name": tool.NAME,
        "description": tool.DESCRIPTION,
        "inputSchema": {
            "type": "object",
            "properties": {one.name: one.schema() for one in arguments},
            "required": [one.name for one in arguments if one.required],
            "additionalProperties": False,
        },
    }


def excerpt(value: object) -> str:
    """A value that the model gave, in at most 60 characters on one line, for an error."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def iso_time(epoch: float) -> str:
    """A time (epoch seconds) as the model reads it: ISO 8601 in UTC, to the second."""
    return f"{datetime.fromtimestamp(epoch, UTC):%Y-%m-%dT%H:%M:%SZ}"


# --- arguments -----------------------------------------------------------------------------------


@frozen
class _Kind:
    """One type of argument: in a schema, in words, and how a value of it is known and read."""

    schema: Json
    noun: str
    bounds: tuple[str, str]
    """The schema's words for `least` and `most`."""
    unit: str
    size: Callable[[Any], float | None]
    """What the bounds hold for; None if the value is of another kind."""
    read: Callable[[Any], Any]
    """The value for the field: text without lone surrogates, which cannot be stored."""


def _fits(number: float) -> bool:
    """Whether it is in the 64 bits that the wire takes; false for NaN."""
    return abs(number) < 1 << 63


def _list(kind: str, item: Callable[[Any], bool], read: Callable[[Any], Any]) -> _Kind:
    return _Kind(
        {"type": "array", "items": {"type": kind}},
        f"a list of {kind}s",
        ("minItems", "maxItems"),
        " items",
        lambda value: len(value) if isinstance(value, list) and all(map(item, value)) else None,
        lambda value: tuple(map(read, value)),
    )


_RANGE = ("minimum", "maximum")
_KINDS: dict[Any, _Kind] = {
    str: _Kind(
        {"type": "string"},
        "a string",
        ("minLength", "maxLength"),
        " characters",
        lambda value: len(value) if isinstance(value, str) else None,
        clean,
    ),
    int: _Kind(
        {"type": "integer"},
        "an integer",
        _RANGE,
        "",
        lambda value: value if type(value) is int else None,
        int,
    ),
    float: _Kind(
        {"type": "number"},
        "a number",
        _RANGE,
        "",
        lambda value: value if type(value) in (int, float) else None,
        float,
    ),
    bool: _Kind(
        {"type": "boolean"},
        "true or false",
        _RANGE,
        "",
        lambda value: 0 if type(value) is bool else None,
        bool,
    ),
    tuple[str, ...]: _list("string", lambda one: isinstance(one, str), clean),
    tuple[int, ...]: _list("integer", lambda one: type(one) is int and _fits(one), int),
}


@frozen
class _Argument:
    """A field of a tool, as the model sees it."""

    name: str
    kind: _Kind
    text: str
    required: bool
    least: int | None
    most: int | None
    choices: tuple[str, ...]

    def schema(self) -> Json:
        made = {"type": self.kind.schema["type"], "description": self.text} | self.kind.schema
        for word, bound in zip(self.kind.bounds, (self.least, self.most), strict=True):
            if bound is not None:
                made[word] = bound
        if self.choices:
            made["enum"] = list(self.choices)
        return made

    def error(self, value: object) -> str | None:
        """What is wrong with a value, or None."""
        size = self.kind.size(value)
        if (
            size is not None
            and _fits(size)
            and (self.least is None or size >= self.least)
            and (self.most is None or size <= self.most)
            and (not self.choices or value in self.choices)
        ):
            return None
        return f"{self.name} is {excerpt(value)}, it must be {self.rule()}"

    def rule(self) -> str:
        """What is allowed, in words."""
        if self.choices:
            return " or ".join(map(repr, self.choices))
        if self.most is not None:
            return f"{self.kind.noun} from {self.least or 0} to {self.most}{self.kind.unit}"
        if self.least is not None:
            return f"{self.kind.noun} of at least {self.least}{self.kind.unit}"
        return self.kind.noun


@cache
def _arguments(tool: type[Tool]) -> tuple[_Argument, ...]:
    return tuple(_argument(tool, one) for one in attrs.fields(tool))


def _argument(tool: type[Tool], field: "attrs.Attribute[Any]") -> _Argument:
    annotation: Any = field.type
    if get_origin(annotation) is types.UnionType:
        (annotation,) = (one for one in get_args(annotation) if one is not types.NoneType)
    choices = get_args(annotation) if get_origin(annotation) is Literal else ()
    kind = _KINDS.get(str if choices else annotation)
    if kind is None or "text" not in field.metadata:
        raise TypeError(
            f"{tool.__name__}.{field.name} cannot be an argument: make it with `argument`, of a "
            "type that is named there"
        )
    return _Argument(
        field.name,
        kind,
        required=field.default is attrs.NOTHING,
        choices=choices,
        **field.metadata,
    )


def _usage(tool: type[Tool]) -> str:
    parts = (
        f"{one.name}{'' if one.required else '?'}: {one.rule()} ({one.text})"
        for one in _arguments(tool)
    )
    return f"{tool.NAME}({', '.join(parts)})"
