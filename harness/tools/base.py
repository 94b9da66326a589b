"""The tools' JSON schemas, and the strict check of what the model calls them with.

One table (`harness.tools.table`) gives both, so that they cannot differ.
"""

from typing import Any

from harness.tools.calls import Call
from harness.tools.table import TOOLS, Argument, Tool


class BadArguments(ValueError):
    """The model called a tool wrongly; the text tells it what is right."""


def schemas() -> list[dict[str, Any]]:
    """The tools as `tools/list` of the Model Context Protocol wants them."""
    return [
        {
            "name": tool.name,
            "description": tool.text,
            "inputSchema": {
                "type": "object",
                "properties": {one.name: _schema(one) for one in tool.arguments},
                "required": [one.name for one in tool.arguments if one.required],
                "additionalProperties": False,
            },
        }
        for tool in TOOLS.values()
    ]


def parse_call(name: object, arguments: object) -> Call:
    """Read a call; raises BadArguments with everything that is wrong and what is right."""
    tool = TOOLS.get(name) if isinstance(name, str) else None
    if tool is None:
        raise BadArguments(f"there is no tool {_shown(name)}; the tools are {', '.join(TOOLS)}")
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        raise BadArguments(f"{tool.name} takes an object of arguments: {_usage(tool)}")
    known = {one.name: one for one in tool.arguments}
    faults = [f"unknown argument {_shown(key)}" for key in arguments if key not in known]
    faults += [
        f"{one.name} is missing"
        for one in known.values()
        if one.required and one.name not in arguments
    ]
    given = {key: value for key, value in arguments.items() if key in known}
    given = {key: value for key, value in given.items() if value is not None or known[key].required}
    faults += [fault for key, value in given.items() if (fault := _fault(known[key], value))]
    if faults:
        raise BadArguments(f"{'; '.join(faults)}. Right is: {_usage(tool)}")
    return tool.call(**{key: _clean(value) for key, value in given.items()})


_BOUNDS = {
    "string": ("minLength", "maxLength"),
    "strings": ("minItems", "maxItems"),
    "integers": ("minItems", "maxItems"),
}


def _schema(argument: Argument) -> dict[str, Any]:
    low, high = _BOUNDS.get(argument.kind, ("minimum", "maximum"))
    schema: dict[str, Any] = {"type": argument.kind, "description": argument.text}
    if argument.kind in ("strings", "integers"):
        schema |= {"type": "array", "items": {"type": argument.kind[:-1]}}
    if argument.least is not None:
        schema[low] = argument.least
    if argument.most is not None:
        schema[high] = argument.most
    if argument.choices:
        schema["enum"] = list(argument.choices)
    return schema


def _fault(argument: Argument, value: object) -> str | None:
    measured = _measured(argument.kind, value)
    if measured is None:
        return f"{argument.name} is {_shown(value)}, it must be {_rule(argument)}"
    low = argument.least is not None and not measured >= argument.least
    high = argument.most is not None and not measured <= argument.most
    other = bool(argument.choices) and value not in argument.choices
    if low or high or other or not abs(measured) < 1 << 63:
        return f"{argument.name} is {_shown(value)}, it must be {_rule(argument)}"
    return None


def _measured(kind: str, value: object) -> float | None:
    """What the bounds hold for; None if the value is of another kind."""
    match kind, value:
        case "string", str():
            return len(value)
        case "integer", int() if type(value) is int:
            return value
        case "number", int() | float() if type(value) is not bool:
            return value
        case "boolean", bool():
            return 0
        case "strings", list() if all(isinstance(one, str) for one in value):
            return len(value)
        case "integers", list() if all(type(one) is int and abs(one) < 1 << 63 for one in value):
            return len(value)
    return None


_NOUNS = {
    "integer": "an integer",
    "strings": "a list of strings",
    "integers": "a list of integers",
    "boolean": "true or false",
}
_UNITS = {"string": " characters", "strings": " items", "integers": " items"}


def _rule(argument: Argument) -> str:
    if argument.choices:
        return " or ".join(map(repr, argument.choices))
    noun = _NOUNS.get(argument.kind, f"a {argument.kind}")
    unit = _UNITS.get(argument.kind, "")
    match argument.least, argument.most:
        case None, None:
            return noun
        case least, None:
            return f"{noun} of at least {least}{unit}"
        case least, most:
            return f"{noun} from {least or 0} to {most}{unit}"
    return noun


def _usage(tool: Tool) -> str:
    parts = (
        f"{one.name}{'' if one.required else '?'}: {_rule(one)} ({one.text})"
        for one in tool.arguments
    )
    return f"{tool.name}({', '.join(parts)})"


def _shown(value: object) -> str:
    """What was given, short and on one line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _clean(value: Any) -> Any:
    """Text without lone surrogates, which cannot be stored; lists as tuples."""
    if isinstance(value, list):
        return tuple(_clean(one) for one in value)
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
