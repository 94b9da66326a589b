"""The hive's tools as the model sees them, and the strict check of what it calls them with.

One table gives both, the JSON schema and the check, so that they cannot differ.
"""

from typing import Any

from attrs import frozen

from harness.reminding import (
    CancelReminderCall,
    ListRemindersCall,
    RemindCall,
    ReminderCall,
    ScheduleCall,
)

LONGEST_WAIT_S = 120
MOST_MESSAGES = 50


class BadArguments(ValueError):
    """The model called a tool wrongly; the text tells it what is right."""


@frozen
class SendCall:
    to: str
    body: str
    in_reply_to: int | None = None
    urgent: bool = False


@frozen
class RecvCall:
    wait_seconds: float = 0
    max: int = 10


@frozen
class WhoAmICall:
    pass


Call = SendCall | RecvCall | WhoAmICall | ReminderCall


@frozen
class _Argument:
    """`kind` is a JSON schema type; `least` and `most` bound a number, or a string's length."""

    name: str
    kind: str
    text: str
    required: bool = False
    least: int | None = None
    most: int | None = None
    choices: tuple[str, ...] = ()


@frozen
class _Tool:
    name: str
    text: str
    call: type[Call]
    arguments: tuple[_Argument, ...] = ()


_TOOLS = {
    tool.name: tool
    for tool in (
        _Tool(
            "send",
            "Send a message to an agent of this hive or to the operator. Returns its number once "
            "it is stored for good.",
            SendCall,
            (
                _Argument("to", "string", "an agent's name, or operator", True, 1, 64),
                _Argument("body", "string", "the text", True, 1),
                _Argument("in_reply_to", "integer", "number of the message you answer", least=1),
                _Argument(
                    "urgent",
                    "boolean",
                    "may use the operator's reserve when a budget is used up",
                ),
            ),
        ),
        _Tool(
            "recv",
            "Take more messages that wait for you into this turn. Without arguments it looks once "
            "and does not wait.",
            RecvCall,
            (
                _Argument(
                    "wait_seconds",
                    "number",
                    "wait so long for a message if there is none",
                    least=0,
                    most=LONGEST_WAIT_S,
                ),
                _Argument("max", "integer", "at most so many", least=1, most=MOST_MESSAGES),
            ),
        ),
        _Tool(
            "whoami",
            "Your name, the other agents, and the messages that you hold in this turn.",
            WhoAmICall,
        ),
        _Tool(
            "remind",
            "Set a reminder for yourself: it comes back as a message from you when it is due, "
            "whatever happens until then. Give either delay_seconds or at. Returns its number.",
            RemindCall,
            (
                _Argument("message", "string", "what you want to be reminded of", True, 1),
                _Argument("delay_seconds", "number", "due in so many seconds", least=1),
                _Argument(
                    "at",
                    "string",
                    "due at this time, ISO 8601 with a zone, such as 2027-01-31T09:00:00Z",
                    least=1,
                    most=64,
                ),
                _Argument(
                    "file",
                    "string",
                    "deliver the message in this file below state/reminders; one over 4 KiB is "
                    "in a file in any case",
                    least=1,
                    most=100,
                ),
            ),
        ),
        _Tool(
            "list_reminders",
            "Your reminders that wait, and your schedules.",
            ListRemindersCall,
        ),
        _Tool(
            "cancel_reminder",
            "Give up a reminder of yours, or a schedule.",
            CancelReminderCall,
            (
                _Argument("id", "integer", "its number", True, 1),
                _Argument(
                    "kind",
                    "string",
                    "what it is; default: a reminder",
                    choices=("reminder", "schedule"),
                ),
            ),
        ),
        _Tool(
            "schedule",
            "Ask the operator for a recurring message to you or others, by a cron expression or "
            "an interval. It runs once the operator has approved it; after a time in which the "
            "hive was down it comes once, not once for each missed time.",
            ScheduleCall,
            (
                _Argument("message", "string", "the text, at most 4096 bytes", True, 1),
                _Argument(
                    "cron",
                    "string",
                    "minute hour day month weekday, such as 30 9 * * 1-5",
                    least=1,
                    most=100,
                ),
                _Argument("every_seconds", "number", "instead of cron", least=60),
                _Argument(
                    "zone",
                    "string",
                    "IANA time zone of cron, such as Europe/Berlin; default UTC",
                    least=1,
                    most=64,
                ),
                _Argument(
                    "to", "string", "names, separated by commas; default: you", least=1, most=1000
                ),
            ),
        ),
    )
}


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
        for tool in _TOOLS.values()
    ]


def parse_call(name: object, arguments: object) -> Call:
    """Read a call; raises BadArguments with everything that is wrong and what is right."""
    tool = _TOOLS.get(name) if isinstance(name, str) else None
    if tool is None:
        raise BadArguments(f"there is no tool {_shown(name)}; the tools are {', '.join(_TOOLS)}")
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


def _schema(argument: _Argument) -> dict[str, Any]:
    low, high = ("minLength", "maxLength") if argument.kind == "string" else ("minimum", "maximum")
    schema: dict[str, Any] = {"type": argument.kind, "description": argument.text}
    if argument.least is not None:
        schema[low] = argument.least
    if argument.most is not None:
        schema[high] = argument.most
    if argument.choices:
        schema["enum"] = list(argument.choices)
    return schema


def _fault(argument: _Argument, value: object) -> str | None:
    if argument.kind == "boolean":
        measured: float | None = 0 if type(value) is bool else None
    elif argument.kind == "string":
        measured = len(value) if isinstance(value, str) else None
    elif argument.kind == "integer":
        measured = value if type(value) is int else None
    else:
        measured = value if type(value) in (int, float) else None  # type: ignore[assignment]
    if measured is None:
        return f"{argument.name} is {_shown(value)}, it must be {_rule(argument)}"
    low = argument.least is not None and not measured >= argument.least
    high = argument.most is not None and not measured <= argument.most
    other = bool(argument.choices) and value not in argument.choices
    if low or high or other or not abs(measured) < 1 << 63:
        return f"{argument.name} is {_shown(value)}, it must be {_rule(argument)}"
    return None


def _rule(argument: _Argument) -> str:
    if argument.kind == "boolean":
        return "true or false"
    if argument.choices:
        return " or ".join(map(repr, argument.choices))
    noun = "a string" if argument.kind == "string" else f"a {argument.kind}"
    noun = noun.replace("a i", "an i")
    unit = " characters" if argument.kind == "string" else ""
    match argument.least, argument.most:
        case None, None:
            return noun
        case least, None:
            return f"{noun} of at least {least}{unit}"
        case least, most:
            return f"{noun} from {least or 0} to {most}{unit}"
    return noun


def _usage(tool: _Tool) -> str:
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
    """Text without lone surrogates, which cannot be stored."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
