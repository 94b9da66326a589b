"""What two processes must agree on is written once."""

import ast
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import web.app
from harness.tools.base import schema
from harness.tools.table import TOOLS
from hive.broker.draft import Draft, check
from hive.wire import bounds
from hive.wire.bounds import (
    ANSWER_CAP,
    EVENT_TEXT,
    LONGEST_TAKE_S,
    MAX_FRAME,
    MOST_BODY,
    MOST_ROWS,
    MOST_TAKEN,
    clamp,
)
from hive.wire.codec import encode, fitting
from hive.wire.events import EventBatch, LiveEvent
from hive.wire.messages import OperatorSend
from hive.wire.turns import Text

ROOT = Path(__file__).parents[2]


def test_the_page_takes_a_message_of_the_largest_body_with_every_character_escaped() -> None:
    body = "\x01" * MOST_BODY
    check(Draft("operator", "*", body), {"*"}, MOST_BODY)
    assert len(encode(OperatorSend("a" * 40, body, key="k" * 200))) < web.app.MAX_UPLOAD < MAX_FRAME


def test_a_lease_of_the_largest_bodies_fits_into_a_frame() -> None:
    assert MOST_TAKEN * MOST_BODY < MAX_FRAME


def test_the_tool_promises_what_the_daemon_grants() -> None:
    arguments = schema(TOOLS["recv"])["inputSchema"]["properties"]
    most = {name: argument["maximum"] for name, argument in arguments.items()}
    assert most == {"wait_seconds": LONGEST_TAKE_S, "max": MOST_TAKEN}


def test_a_frame_holds_a_batch_of_the_longest_events() -> None:
    live = LiveEvent(1, 1.0, "agent", Text("t" * 32, "\x01" * EVENT_TEXT))
    assert len(encode(EventBatch((live,) * 64))) < MAX_FRAME


def test_no_bound_is_stated_a_second_time() -> None:
    mine = {name for name in vars(bounds) if name.isupper()}
    assert MOST_ROWS and mine
    for path in (path for top in ("hive", "harness", "web") for path in (ROOT / top).rglob("*.py")):
        if "node_modules" in path.parts or path == Path(bounds.__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Assign):
                names = {target.id for target in node.targets if isinstance(target, ast.Name)}
                assert not names & mine, f"{path}: {names & mine}"


@given(st.integers(), st.integers(), st.integers(0, 2**64))
def test_a_clamped_number_is_the_nearest_within_the_bounds(
    value: int, least: int, width: int
) -> None:
    assert clamp(value, least, least + width) == sorted((value, least, least + width))[1]


@given(st.lists(st.integers(0, ANSWER_CAP), max_size=6))
def test_an_answer_carries_the_first_items_that_fit_and_at_least_one(sizes: list[int]) -> None:
    items = [Text("t", "x" * size) for size in sizes]
    chosen = fitting(items)
    assert chosen == tuple(items[: len(chosen)])
    assert len(chosen) >= min(1, len(items))
    size = sum(len(encode(item)) + 1 for item in chosen)
    assert size <= ANSWER_CAP or len(chosen) == 1
    if len(chosen) < len(items):
        assert size + len(encode(items[len(chosen)])) + 1 > ANSWER_CAP
