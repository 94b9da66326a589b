"""The codec: everything goes round, and nothing is coerced in silence."""

import json
from typing import Any, get_args

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hive.wire.bodies import AgentBody, Body, OperatorBody, PageBody
from hive.wire.bounds import MAX_FRAME
from hive.wire.codec import (
    PROTOCOL,
    WireError,
    decode,
    decode_frame,
    encode,
    encode_frame,
    flat,
    tag_of,
)
from hive.wire.events import Event, LiveEvent, Resync
from hive.wire.frames import Failure, Frame, Hello, Push, Reply, Request
from hive.wire.harness import Emit, HarnessSettings
from hive.wire.messages import Message, MessageState, Send, Sent
from hive.wire.states import AgentState
from hive.wire.tree import TreeNode
from hive.wire.turns import Lease, Take, Taken, Text

some = settings(max_examples=50, deadline=None)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
st.register_type_strategy(str, texts)
st.register_type_strategy(int, st.integers(-(2**63), 2**64 - 1))
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
leaf = {f.name: st.from_type(f.type) for f in attrs.fields(TreeNode) if f.name != "children"}
st.register_type_strategy(
    TreeNode,
    st.recursive(
        st.builds(TreeNode, **leaf),
        lambda nodes: st.builds(TreeNode, **leaf, children=st.lists(nodes, max_size=3).map(tuple)),
        max_leaves=5,
    ),
)


def built(cls: type) -> st.SearchStrategy[Any]:
    """Every field drawn, those with a default too."""
    if cls is TreeNode:
        return st.from_type(TreeNode)
    return st.builds(cls, **{f.name: st.from_type(f.type) for f in attrs.fields(cls)})


for known in (*get_args(Event), *get_args(Body), Message, Lease, LiveEvent):
    st.register_type_strategy(known, built(known))


@pytest.mark.parametrize("cls", get_args(Body), ids=tag_of)
@some
@given(data=st.data())
def test_every_body_goes_round_in_every_frame_that_carries_one(
    cls: type, data: st.DataObject
) -> None:
    body = data.draw(built(cls))
    number = data.draw(st.integers(-(2**63), 2**64 - 1))
    for frame in (Request(number, body), Reply(number, body), Push(body)):
        back = decode_frame(encode_frame(frame))
        assert back == frame
        assert repr(back) == repr(frame)  # an enum equals its text, but does not look like it


@pytest.mark.parametrize("cls", [Hello, Failure], ids=tag_of)
@some
@given(data=st.data())
def test_every_other_frame_goes_round(cls: type, data: st.DataObject) -> None:
    frame = data.draw(built(cls))
    assert decode_frame(encode_frame(frame)) == frame


@some
@given(built(HarnessSettings))
def test_settings_go_round_but_their_secrets_are_not_shown(settings: HarnessSettings) -> None:
    assert decode(encode(settings), HarnessSettings) == settings
    secret = attrs.evolve(settings, environment=(("KEY", "s3cr3t-value"),))
    assert "s3cr3t-value" not in repr(secret)


@pytest.mark.parametrize("cls", get_args(Event), ids=tag_of)
@some
@given(data=st.data())
def test_every_event_goes_round_with_its_kind(cls: type, data: st.DataObject) -> None:
    event = data.draw(built(cls))
    live = LiveEvent(3, 1.5, "worker-1", event)
    assert decode(encode(live), LiveEvent) == live
    shape = flat(live)
    assert (shape["seq"], shape["agent"], shape["kind"]) == (3, "worker-1", tag_of(cls))
    assert Emit(0, ((1.5, event),)) == decode(encode(Emit(0, ((1.5, event),))), Emit)


def test_enums_come_back_as_enums() -> None:
    state = decode(encode(Message(1, "a", "b", "x", 1.0, MessageState.DEAD)), Message).state
    assert state is MessageState.DEAD


def test_unions_of_sockets_are_parts_of_the_whole() -> None:
    for narrow in (AgentBody, OperatorBody, PageBody):
        assert set(get_args(narrow)) <= set(get_args(Body))


def test_a_narrow_union_refuses_what_the_whole_one_knows() -> None:
    with pytest.raises(WireError, match="unknown type 'down', expected one of"):
        decode(b'{"type": "down"}', AgentBody)


MESSAGE = {"id": 1, "sender": "a", "recipient": "b", "body": "x", "sent_at": 1.0}


@pytest.mark.parametrize(
    ("raw", "cls", "says"),
    [
        ({"id": None}, Sent, r"expected int, got NoneType @ \$.id"),
        ({"id": True}, Sent, r"expected int, got bool @ \$.id"),
        ({"id": 2.9}, Sent, r"expected int, got float @ \$.id"),
        ({"id": 2.0}, Sent, r"expected int, got float @ \$.id"),
        ({"id": "7"}, Sent, r"expected int, got str @ \$.id"),
        ({"id": 2**70}, Sent, r"expected int, got float @ \$.id"),
        ({}, Sent, r"required field 'id' missing @ \$.id"),
        ({"to": None, "body": "x"}, Send, r"expected str, got NoneType @ \$.to"),
        ({"to": 5, "body": "x"}, Send, r"expected str, got int @ \$.to"),
        ({"to": ["a"], "body": "x"}, Send, r"expected str, got list @ \$.to"),
        ({"wait": True}, Take, r"expected a finite number, got bool @ \$.wait"),
        ({"wait": "1"}, Take, r"expected a finite number, got str @ \$.wait"),
        (MESSAGE | {"redelivered": 1}, Message, r"expected bool, got int @ \$.redelivered"),
        (MESSAGE | {"state": "bogus"}, Message, r"unknown value 'bogus', expected one of .*dead"),
        (MESSAGE | {"state": 1}, Message, r"unknown value 1, .* @ \$.state"),
        (MESSAGE | {"state": ["a"]}, Message, r"unknown value \['a'\], .* @ \$.state"),
        ({"lease": {"id": "l", "messages": "ab"}}, Taken, r"expected a list, got str"),
        ({"lease": {"id": "l", "messages": {"a": 1}}}, Taken, r"expected a list, got dict"),
        (
            {"lease": {"id": "l", "messages": [MESSAGE, MESSAGE | {"id": None}]}},
            Taken,
            r"expected int, got NoneType @ \$.lease.messages\[1\].id",
        ),
        ({"lease": 5}, Taken, r"expected an object, got int @ \$.lease"),
        ({"lease": "abc"}, Taken, r"expected an object, got str @ \$.lease"),
        ({"first": 0, "events": [[1.5]]}, Emit, r"expected 2 items, got 1"),
        ({"first": 0, "events": [[1.5, {"kind": "x"}]]}, Emit, r"unknown kind 'x'"),
        ([], Frame, r"expected an object, got list"),
        (None, Frame, r"expected an object, got NoneType"),
        ("hello", Frame, r"expected an object, got str"),
        ({}, Frame, r"unknown frame None, expected one of \['failure', 'hello'"),
        ({"frame": ["hello"]}, Frame, r"unknown frame \['hello'\]"),
        ({"frame": "push", "body": None}, Frame, r"expected an object, got NoneType @ \$.body"),
        ({"frame": "push", "body": {"type": "frame"}}, Frame, r"unknown type 'frame'"),
    ],
    ids=str,
)
def test_nothing_is_coerced(raw: Any, cls: Any, says: str) -> None:
    with pytest.raises(WireError, match=says):
        decode(json.dumps(raw), cls)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        b"\xff\xfe",
        b'{"frame"',
        b'{"id": NaN}',
        b'{"wait": 1e999}',
        b'{"wait": ' + b"9" * 5000 + b"}",
        b'{"to": "\\ud800", "body": ""}',
        b"[" * 100_000,
        b'{"a":' * 600 + b"1" + b"}" * 600,
        b"{}{}",
    ],
    ids=lambda data: repr(data[:20]),
)
def test_what_is_no_json_is_a_wire_error(data: bytes) -> None:
    for cls in (Sent, Take, Send, Frame):
        with pytest.raises(WireError):
            decode(data, cls)


@pytest.mark.parametrize("depth", [150, 200, 240, 300, 500])
def test_a_tree_of_any_depth_is_read_or_refused(depth: int) -> None:
    node = '{"path":"p","kind":"k","state":"running","since":1,"children":['
    try:
        decode(node * depth + "]}" * depth, TreeNode)
    except WireError as error:
        assert "deep" in str(error) or "recursion" in str(error)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from([tag_of(cls) for cls in get_args(Body) + get_args(Frame)]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["frame", "type", "kind", "id", "body", "lease", "messages", "events"])
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@some
@given(json_values, st.sampled_from(["request", "reply", "push", "hello", "welcome", "failure"]))
def test_any_json_is_a_frame_or_a_wire_error(value: Any, frame: str) -> None:
    for candidate in (value, {"frame": frame, "id": 1, "body": value}):
        try:
            decode_frame(json.dumps(candidate))
        except WireError as error:
            assert str(error)


@some
@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_a_wire_error(data: bytes) -> None:
    with pytest.raises(WireError):
        decode_frame(data)


def test_unknown_keys_are_tolerated_in_what_is_known() -> None:
    newer = {"frame": "hello", "protocol": PROTOCOL, "role": "x", "instance": "i", "new": [1]}
    assert decode_frame(json.dumps(newer)) == Hello(PROTOCOL, "x", "i")
    newer = {"frame": "push", "body": {"type": "resync", "why": "slow"}, "trace": {}}
    assert decode_frame(json.dumps(newer)) == Push(Resync())


def test_an_error_quotes_only_a_little_of_what_came() -> None:
    with pytest.raises(WireError) as caught:
        decode(json.dumps({"frame": "x" * MAX_FRAME}), Frame)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "value",
    [
        Send("\ud800", "x"),
        Sent(2**64),
        Take(float("nan")),
        Take(float("inf")),
        Emit(0, ((float("-inf"), Text("t", "x")),)),
    ],
    ids=repr,
)
def test_what_json_cannot_say_is_refused_before_it_is_sent(value: Any) -> None:
    with pytest.raises(WireError, match=type(value).__name__):
        encode(value)


def test_a_value_nested_too_deeply_is_refused_before_it_is_sent() -> None:
    tree = TreeNode("p", "k", AgentState.RUNNING, 1.0)
    for _ in range(3000):
        tree = attrs.evolve(tree, children=(tree,))
    with pytest.raises(WireError, match="deeply"):
        encode(tree)
