"""ApiSignals of the API, what a turn has spent so far, and the queue that both wait in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli.stream_events import (
    ApiFailure,
    ControlResponse,
    Cost,
    Init,
    ModelText,
    ModelToolUse,
    Other,
    RateLimit,
    Retry,
    StreamEvent,
    Thought,
    ToolAnswer,
)
from harness.outbox import MOST_PUSHES, PushQueue
from harness.turns.api_signals import ApiSignals
from harness.turns.silence import SilenceWatch
from harness.turns.spending import EVERY_S, Meter, difference
from harness.turns.turn import RunningTurn
from hive.wire.turns import ApiSignal, SignalKind, Spending, Usage

RESET = 1_800_000_000.0
TEXT = ModelText("hello", nested=False)
REFUSED = Retry(1, 0.5, "authentication_failed", 401)


def rejected(**more) -> RateLimit:
    return RateLimit("rejected", "five_hour", RESET, **more)


def warned(utilization, window="five_hour", reset=RESET) -> RateLimit:
    return RateLimit("allowed_warning", window, reset, utilization)


def kinds(*events: StreamEvent) -> list[str]:
    signals = ApiSignals("lease")
    return [signal.kind.value for event in events if (signal := signals.take(event))]


def test_a_rejection_says_all_that_is_known():
    signals = ApiSignals("lease")
    assert signals.take(Init("s", "claude-x", "1", ())) is None
    assert signals.take(rejected(utilization=1.0)) == ApiSignal(
        "lease", SignalKind.REJECTED, "five_hour", RESET, 1.0, "claude-x"
    )


def test_a_limit_that_the_account_pays_to_pass_is_a_warning():
    assert kinds(rejected(overage=True)) == ["warned"]
    assert kinds(warned(0.99), rejected(overage=True), rejected()) == [
        "warned",
        "warned",
        "rejected",
    ]


def test_a_warning_is_repeated_when_it_says_more():
    assert kinds(warned(0.81), warned(0.82), warned(0.82)) == ["warned"]
    assert kinds(warned(0.81), warned(0.86)) == ["warned"] * 2
    assert kinds(warned(0.81), warned(0.81, "seven_day")) == ["warned"] * 2
    assert kinds(warned(0.81), warned(0.81, reset=RESET + 1)) == ["warned"] * 2
    assert kinds(warned(None), warned(None)) == ["warned"]


def test_a_refused_credential_is_told_at_the_first_retry():
    assert kinds(REFUSED) == ["unauthorised"]
    assert kinds(Retry(1, 0.5, "rate_limit", 429), Retry(1, 0.5, "overloaded", 529)) == []


@pytest.mark.parametrize("event", [TEXT, ModelToolUse("t", "Bash", "{}", False), Thought(False)])
def test_the_first_answer_is_told_once_and_again_after_something_else(event):
    assert kinds(event, event, TEXT) == ["answered"]
    assert kinds(event, warned(0.9), event, event) == ["answered", "warned", "answered"]
    assert kinds(rejected(), event) == ["rejected", "answered"]


@pytest.mark.parametrize(
    "event",
    [
        ModelText("x", nested=True),
        ModelToolUse("t", "Bash", "{}", True),
        Thought(True),
        ToolAnswer("t", False, "x", False),
        ApiFailure("rate_limit", "usage_limit_reached", 429, RESET, "limit"),
        Other("assistant/synthetic"),
        RateLimit("allowed", "five_hour", RESET),
        RateLimit("tomorrow's", "five_hour", RESET),
    ],
)
def test_what_is_no_signal(event):
    assert kinds(event) == []


# --- spending ----------------------------------------------------------------------------------

USAGES = st.builds(Usage, *([st.integers(0, 10**9)] * 4), st.integers(0, 100).map(float))


@given(USAGES, USAGES)
def test_what_came_since(one, other):
    assert difference(one, one + other) == other
    assert difference(one + other, one) == Usage()


def test_a_meter_tells_the_difference_to_the_beginning():
    meter = Meter("p", 0.0, used_before=Usage(input_tokens=1000))
    assert meter.take("p/now", Usage(5)) is None  # nothing is known about the beginning yet
    assert meter.take(meter.first_request, Usage(10)) is None
    assert meter.take("p/now", Usage(10)) is None
    assert meter.take("p/now", Usage(17)) == Usage(1007)
    assert meter.take("p/now", Usage(17)) is None
    assert meter.take("other/now", Usage(99)) is None
    assert meter.spent == Usage(7)


def test_a_meter_asks_once_a_second_and_only_if_there_is_news():
    meter = Meter("p", 0.0, Usage())
    assert meter.next_request(100.0) is None
    meter.changed = True
    assert meter.next_request(EVERY_S / 2) is None
    assert meter.next_request(EVERY_S) == "p/now"
    assert meter.next_request(100.0) is None
    meter.changed = True
    assert meter.next_request(EVERY_S * 1.5) is None
    assert meter.next_request(EVERY_S * 2) == "p/now"


def test_the_answer_to_a_question_is_neither_life_nor_news():
    """Else each answer would be the reason for the next question, and a silent turn never end."""
    turn = RunningTurn("t", "p", SilenceWatch(10, 0.0), ApiSignals("t"), Meter("p", 0.0, Usage()))
    for event in (ControlResponse("p/now", None), Cost("p/now", Usage(1))):
        turn.take(event, 5.0)
        assert turn.push_of(event) is None
    assert turn.silence.deadline == 10.0 and not turn.meter.changed
    turn.take(TEXT, 5.0)
    turn.push_of(TEXT)
    assert turn.silence.deadline == 15.0 and turn.meter.changed


# --- the queue ---------------------------------------------------------------------------------


async def test_hints_come_in_order_and_the_oldest_are_lost():
    pushes = PushQueue()
    for number in range(MOST_PUSHES + 2):
        pushes.put(Spending(str(number), Usage()))
    assert (await pushes.take()).lease == "2"
    pushes.clear()
    pushes.put(Spending("new", Usage()))
    assert (await pushes.take()).lease == "new"


def test_a_rejection_that_names_no_window_of_the_account_is_left_to_the_end_of_the_turn():
    assert kinds(RateLimit("rejected", None, None), RateLimit("rejected", "overage", 1.0)) == []
    assert kinds(RateLimit("rejected", None, 1.0)) == [SignalKind.REJECTED]
    assert kinds(RateLimit("rejected", "window_of_tomorrow", None)) == [SignalKind.REJECTED]
