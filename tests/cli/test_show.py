"""What is printed is for people, and nothing in it may drive their terminal."""

from hypothesis import given
from hypothesis import strategies as st

from hive.cli import show
from hive.wire import AgentState, AgentStatus, LiveEvent, Message, Text

HOSTILE = "\x1b]0;title\x07\x1b[2J\r\n\u202emoc\x00\x9b31m"


@given(st.text())
def test_safe_leaves_no_control_character_but_breaks_and_tabs(text: str) -> None:
    assert all(c.isprintable() or c in "\n\t" for c in show.safe(text))


@given(st.text(), st.integers(1, 80))
def test_one_line_is_one_line_of_the_width(text: str, width: int) -> None:
    line = show.one_line(text, width)
    assert len(line) <= width and "\n" not in line and (line == "" or line.isprintable())


def test_hostile_text_is_shown_as_text_everywhere() -> None:
    message = Message(1, "a", "b", HOSTILE, 0.0)
    live = LiveEvent(1, 0.0, "a", Text("t", HOSTILE))
    status = AgentStatus("a", AgentState.PARKED, 0.0, reason=HOSTILE, model=HOSTILE, says=HOSTILE)
    for shown in (show.message(message), show.event(live), show.agents([status])):
        assert all(c.isprintable() or c == "\n" for c in shown)


def test_ages() -> None:
    shown = [show.ago(seconds) for seconds in (None, 0.2, 5, 120, 7200, 200000)]
    assert shown == ["-", "now", "5s", "2m", "2h", "2d"]
