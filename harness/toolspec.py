"""The hive's tools as the model sees them, and the strict check of what it calls them with.

One table gives both, the JSON schema and the check, so that they cannot differ.
"""

from collections.abc import Callable
from typing import Any

from attrs import frozen

LONGEST_WAIT_S = 120
MOST_MESSAGES = 50


class BadArguments(ValueError):
    """The model called a tool wrongly; the text tells it what is right."""


@frozen
class SendCall:
    to: str
    body: str
    in_reply_to: int | None = None


@frozen
class RecvCall:
    wait_seconds: float = 0
    max: int = 10


@frozen
class WhoAmICall:
    pass


@frozen
class AskCall:
    question: str
    options: tuple[str, ...] = ()
    multi: bool = False
    ttl_seconds: float | None = None
    to: str = "operator"


@frozen
class AnswerCall:
    question: int
    text: str | None = None
    options: tuple[int, ...] = ()


@frozen
class LooseEndsCall:
    pass


@frozen
class CancelLooseEndCall:
    id: int


@frozen
class SetStatusCall:
    text: str


@frozen
class NextTurnCall:
    reason: str


@frozen
class WakeCall:
    text: str
    label: str = "tool"


DeskCall = (
    AskCall
    | AnswerCall
    | LooseEndsCall
    | CancelLooseEndCall
    | SetStatusCall
    | NextTurnCall
    | WakeCall
)
Call = SendCall | RecvCall | WhoAmICall | DeskCall


@frozen
class _Argument:
    """`kind` is a JSON schema type, or `strings` or `integers` for a list of them.

    `least` and `most` bound a number, or the length of a string or a list.
    """

    name: str
    kind: str
    text: str
    required: bool = False
    least: int | None = None
    most: int | None = None


@frozen
class _Tool:
    name: str
    text: str
    call: Callable[..., Call]
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
            "ask",
            "Ask the operator, or another agent, something that must be answered or expire. "
            "Returns the question's number at once; the answer wakes you later as a message in "
            "reply to that number (or says that there was no answer), so end your turn. At most "
            "20 may be open.",
            AskCall,
            (
                _Argument("question", "string", "with all that it takes to decide", True, 1, 4000),
                _Argument("options", "strings", "2 to 20 answers to choose from", most=20),
                _Argument("multi", "boolean", "whether several options may be chosen"),
                _Argument(
                    "ttl_seconds",
                    "number",
                    "no answer after so long is the answer; default: it stays open",
                    least=1,
                    most=30 * 86400,
                ),
                _Argument("to", "string", "operator (the default) or an agent", False, 1, 64),
            ),
        ),
        _Tool(
            "answer",
            "Answer a question that was put to you: by text, or by options if it has some.",
            AnswerCall,
            (
                _Argument("question", "integer", "its number", True, 1),
                _Argument("text", "string", "the answer, or the text of an option", least=1),
                _Argument("options", "integers", "numbers of the options, from 1", most=20),
            ),
        ),
        _Tool(
            "loose_ends",
            "What is open: `asked` are your questions that nobody has answered, `owed` are "
            "questions that you have not answered, `unanswered` are messages that you hold in this "
            "turn and have not replied to (send with in_reply_to), but for those that need no "
            "reply: the hive's, your own, broadcasts, and replies to a message of yours.",
            LooseEndsCall,
        ),
        _Tool(
            "cancel_loose_end",
            "Withdraw a question of yours (whom you asked is told), or say that a message that you "
            "hold needs no reply.",
            CancelLooseEndCall,
            (_Argument("id", "integer", "a number from loose_ends", True, 1),),
        ),
        _Tool(
            "set_status",
            "Set the line that the operator sees behind your name: what you work on. It stays "
            "until you set another one; an empty text clears it.",
            SetStatusCall,
            (_Argument("text", "string", "one line", True, 0, 120),),
        ),
        _Tool(
            "request_next_turn",
            "Be woken once more right after this turn, to go on with work that is too long for one "
            "turn. At most one is pending, and 12 an hour.",
            NextTurnCall,
            (_Argument("reason", "string", "what is left; it is shown to you", True, 1, 1000),),
        ),
        _Tool(
            "wake",
            "Send a message to yourself, which wakes you after this turn unless recv takes it. "
            "Programs in your container can do so at any time by the command "
            "`hive-harness wake --from LABEL TEXT` (TEXT - reads standard input). At most 60 an "
            "hour.",
            WakeCall,
            (
                _Argument("text", "string", "the message", True, 1),
                _Argument("label", "string", "who it comes from", least=1, most=60),
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


_BOUNDS = {
    "string": ("minLength", "maxLength"),
    "strings": ("minItems", "maxItems"),
    "integers": ("minItems", "maxItems"),
}


def _schema(argument: _Argument) -> dict[str, Any]:
    low, high = _BOUNDS.get(argument.kind, ("minimum", "maximum"))
    schema: dict[str, Any] = {"type": argument.kind, "description": argument.text}
    if argument.kind in ("strings", "integers"):
        schema |= {"type": "array", "items": {"type": argument.kind[:-1]}}
    if argument.least is not None:
        schema[low] = argument.least
    if argument.most is not None:
        schema[high] = argument.most
    return schema


def _fault(argument: _Argument, value: object) -> str | None:
    measured = _measured(argument.kind, value)
    if measured is None:
        return f"{argument.name} is {_shown(value)}, it must be {_rule(argument)}"
    low = argument.least is not None and not measured >= argument.least
    high = argument.most is not None and not measured <= argument.most
    if low or high or not abs(measured) < 1 << 63:
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


def _rule(argument: _Argument) -> str:
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
    """Text without lone surrogates, which cannot be stored; lists as tuples."""
    if isinstance(value, list):
        return tuple(_clean(one) for one in value)
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
