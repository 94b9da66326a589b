"""Tool calls: what is right is read, what is wrong is explained."""

from typing import Literal

import attrs
import pytest
from attrs import frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.tools import mcp
from harness.tools.agents import SetStatusTool, WhoAmITool
from harness.tools.base import BadArguments, Tool, ToolContext, argument, parse_arguments, schema
from harness.tools.mcp import ToolInvocation
from harness.tools.messages import RecvTool, SendTool
from harness.tools.questions import AnswerTool, AskTool
from harness.tools.table import TOOLS, parse_call, schemas


def test_right_calls():
    assert parse_call("send", {"to": "a", "body": "b"}) == SendTool("a", "b")
    given = {"to": "a", "body": "b", "in_reply_to": 3}
    assert parse_call("send", given) == SendTool("a", "b", 3)
    assert parse_call("send", {**given, "in_reply_to": None}) == SendTool("a", "b")
    assert parse_call("send", {**given, "urgent": True}) == SendTool("a", "b", 3, urgent=True)
    assert parse_call("send", {**given, "urgent": False}) == SendTool("a", "b", 3)
    assert parse_call("recv", {}) == parse_call("recv", None) == RecvTool(0, 10)
    assert parse_call("recv", {"wait_seconds": 1.5, "max": 2}) == RecvTool(1.5, 2)
    assert parse_call("whoami", {}) == WhoAmITool()
    ask = {"question": "q", "options": ["a", "b\ud800"], "multi": True, "ttl_seconds": 5, "to": "x"}
    assert parse_call("ask", ask) == AskTool("q", ("a", "b?"), True, 5, "x")
    assert parse_call("answer", {"question": 3, "options": [1, 2]}) == AnswerTool(3, None, (1, 2))
    assert parse_call("set_status", {"text": ""}) == SetStatusTool("")


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("sned", {}, "there is no tool 'sned'; the tools are send, recv, thread, whoami"),
        (None, {}, "there is no tool None"),
        ("send", [], "takes an object"),
        ("send", {"body": "b"}, "to is missing"),
        ("send", {"to": None, "body": "b"}, "to is None, it must be a string"),
        ("send", {"to": 3, "body": "b"}, "to is 3, it must be a string"),
        ("send", {"to": "", "body": "b"}, "to is '', it must be a string from 1 to 64 characters"),
        ("send", {"to": "a", "body": "b", "cc": "c"}, "unknown argument 'cc'"),
        ("send", {"to": "a", "body": "b", "in_reply_to": "3"}, "it must be an integer"),
        ("send", {"to": "a", "body": "b", "in_reply_to": True}, "it must be an integer"),
        ("send", {"to": "a", "body": "b", "in_reply_to": 0}, "an integer of at least 1"),
        ("send", {"to": "a", "body": "b", "in_reply_to": 1 << 70}, "in_reply_to is 118"),
        ("send", {"to": "a", "body": "b", "urgent": 1}, "urgent is 1, it must be true or false"),
        ("send", {"to": "a", "body": "b", "urgent": "yes"}, "urgent?: true or false (may use"),
        ("recv", {"wait_seconds": -1}, "wait_seconds is -1, it must be a number from 0 to 120"),
        ("recv", {"wait_seconds": 1e9}, "from 0 to 120"),
        ("recv", {"wait_seconds": float("nan")}, "from 0 to 120"),
        ("recv", {"max": 0}, "an integer from 1 to 10"),
        ("recv", {"max": 2.5}, "it must be an integer from 1 to 10"),
        ("whoami", {"x": 1}, "Right is: whoami()"),
        ("ask", {}, "question is missing"),
        ("ask", {"question": "q", "options": "a"}, "it must be a list of strings from 0 to 20 it"),
        ("ask", {"question": "q", "options": ["a", 1]}, "it must be a list of strings"),
        ("ask", {"question": "q", "options": ["a"] * 21}, "it must be a list of strings"),
        ("ask", {"question": "q", "multi": "yes"}, "multi is 'yes', it must be true or false"),
        ("ask", {"question": "q", "ttl_seconds": 0}, "a number from 1 to 2592000"),
        ("answer", {"question": 1, "options": [True]}, "it must be a list of integers"),
        ("answer", {"question": 1, "options": [1 << 70]}, "it must be a list of integers"),
        ("cancel_loose_end", {"id": "1"}, "it must be an integer of at least 1"),
        ("set_status", {"text": "x" * 121}, "it must be a string from 0 to 120 characters"),
        ("request_next_turn", {"reason": ""}, "it must be a string from 1 to 1000"),
        ("wake", {"text": "x", "label": ""}, "it must be a string from 1 to 60"),
    ],
)
def test_wrong_calls(name, arguments, said):
    with pytest.raises(BadArguments) as error:
        parse_call(name, arguments)
    assert said in str(error.value)


def test_all_faults_are_named_at_once():
    with pytest.raises(BadArguments) as error:
        parse_call("send", {"to": 1, "x": 2})
    assert all(part in str(error.value) for part in ("unknown argument 'x'", "body is", "to is 1"))


NAMES = list(TOOLS)
ARGUMENTS = st.dictionaries(
    st.sampled_from(
        [
            "to",
            "body",
            "in_reply_to",
            "urgent",
            "wait_seconds",
            "max",
            "x",
            "question",
            "options",
            "multi",
            "ttl_seconds",
            "text",
            "id",
            "reason",
            "label",
        ]
    ),
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.lists(st.integers() | st.text() | st.booleans()),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(st.sampled_from([*NAMES, "x"]), ARGUMENTS)
def test_any_arguments_are_read_or_explained(name, arguments):
    try:
        call = parse_call(name, arguments)
    except BadArguments as error:
        assert len(str(error)) < 2000
    else:
        assert isinstance(call, TOOLS[name])


def test_the_schemas_refuse_unknown_arguments():
    assert [one["name"] for one in schemas()] == NAMES
    assert all(one["inputSchema"]["additionalProperties"] is False for one in schemas())


# --- the protocol around them ------------------------------------------------------------------


def test_the_handshake():
    params = {"protocolVersion": "2099-01-01"}
    answer = mcp.parse_request(
        {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    )
    assert answer["id"] == 0 and answer["result"]["protocolVersion"] == "2099-01-01"
    assert "tools" in answer["result"]["capabilities"]
    assert mcp.parse_request({"method": "notifications/initialized"})["result"] == {}
    assert mcp.parse_request({"id": 1, "method": "ping"}) == {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {},
    }
    assert len(mcp.parse_request({"id": 1, "method": "tools/list"})["result"]["tools"]) == len(
        NAMES
    )


def test_a_call_and_a_wrong_call():
    params = {"name": "whoami", "arguments": {}, "_meta": {"progressToken": 2}}
    assert mcp.parse_request({"id": 7, "method": "tools/call", "params": params}) == ToolInvocation(
        7, WhoAmITool()
    )
    wrong = mcp.parse_request({"id": 7, "method": "tools/call", "params": {"name": "x"}})
    assert wrong["result"]["isError"] is True


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"id": 1, "method": "resources/list"}, -32601),
        ({"id": 1}, -32600),
        ({"id": 1, "method": 3}, -32600),
        ({"id": 1, "method": "tools/call", "params": []}, -32602),
    ],
)
def test_what_is_not_spoken_here_is_a_proper_error(message, code):
    answer = mcp.parse_request(message)
    assert answer["id"] == 1 and answer["error"]["code"] == code


# --- a tool of one's own ------------------------------------------------------------------------


@frozen
class PaintTool(Tool):
    NAME = "paint"
    DESCRIPTION = "Paint something."

    colour: Literal["red", "blue"] = argument("which")
    walls: tuple[int, ...] = argument("their numbers", least=1, most=3)
    hours: float | None = argument("how long", least=1, default=None)
    title: str = argument("its name", most=5, default="")
    again: bool | None = argument("once more", default=None)

    async def perform(self, context: ToolContext) -> str:
        return "painted"


def test_the_fields_of_a_class_are_its_schema():
    assert schema(PaintTool) == {
        "name": "paint",
        "description": "Paint something.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "colour": {"type": "string", "description": "which", "enum": ["red", "blue"]},
                "walls": {
                    "type": "array",
                    "description": "their numbers",
                    "items": {"type": "integer"},
                    "minItems": 1,
                    "maxItems": 3,
                },
                "hours": {"type": "number", "description": "how long", "minimum": 1},
                "title": {"type": "string", "description": "its name", "maxLength": 5},
                "again": {"type": "boolean", "description": "once more"},
            },
            "required": ["colour", "walls"],
            "additionalProperties": False,
        },
    }


def test_the_fields_of_a_class_are_its_check():
    call = parse_arguments(PaintTool, {"colour": "red", "walls": [2, 1], "hours": 2, "title": None})
    assert call == PaintTool("red", (2, 1), 2.0) and type(call.hours) is float
    with pytest.raises(BadArguments) as error:
        parse_arguments(PaintTool, {"colour": "pink", "walls": [], "hours": 0.5, "again": 1})
    assert str(error.value) == (
        "colour is 'pink', it must be 'red' or 'blue'; "
        "walls is [], it must be a list of integers from 1 to 3 items; "
        "hours is 0.5, it must be a number of at least 1; "
        "again is 1, it must be true or false. "
        "Right is: paint(colour: 'red' or 'blue' (which), "
        "walls: a list of integers from 1 to 3 items (their numbers), "
        "hours?: a number of at least 1 (how long), "
        "title?: a string from 0 to 5 characters (its name), again?: true or false (once more))"
    )


@frozen
class NoSuchTypeTool(PaintTool):
    odd: bytes = argument("a type that no JSON is read as", default=b"")


@frozen
class NoArgumentTool(PaintTool):
    odd: int = 3


@pytest.mark.parametrize("tool", [NoSuchTypeTool, NoArgumentTool])
def test_a_field_that_the_model_cannot_give_is_its_authors_fault(tool):
    with pytest.raises(TypeError, match=r"Tool\.odd cannot be an argument"):
        schema(tool)


def test_every_tool_is_in_the_table_under_its_own_name():
    def below(cls):
        return {cls}.union(*map(below, cls.__subclasses__()))

    tools = {one for one in below(Tool) if hasattr(one, "NAME") and one.__module__ != __name__}
    assert set(TOOLS.values()) == {one for one in tools if attrs.has(one)}
    assert all(name == tool.NAME for name, tool in TOOLS.items())
