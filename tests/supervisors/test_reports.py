"""The full form of events, and the sink in a thread."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from hive.supervisors import Event, Exit, Exited, ExitKind, Form, PastEvent, ThreadSink, report

texts = st.text(max_size=60)
errors = st.recursive(
    texts.map(ValueError),
    lambda inner: st.lists(inner, min_size=1, max_size=4).map(lambda e: ExceptionGroup("g", e)),
    max_leaves=6,
)


@given(errors, texts, st.lists(texts, max_size=5), st.integers(0, 3), st.integers(0, 400))
def test_a_report_is_bounded_and_printable_whatever_is_in_it(
    error, path, messages, depth, limit
) -> None:
    event = Exited(path, 1.0, 1, Exit(ExitKind.CRASHED, "", error), 1.0, tuple(messages))
    past = (PastEvent(0.0, "started", 1, "started"),)
    form = Form(depth=depth, limit=limit, line_limit=50)
    text = report(event, form, history=past)
    assert len(text) <= max(limit, 7)
    assert all(line.isprintable() for line in text.split("\n"))


def test_secrets_are_redacted_in_every_line() -> None:
    error = ValueError("key sk-secret")
    error.__cause__ = OSError("sk-secret again")
    event = Exited("top/sk-secret", 1.0, 1, Exit(ExitKind.CRASHED, "", error), 1.0, ("sk-secret",))
    past = (PastEvent(0.0, "parked", 1, "parked: sk-secret"),)
    form = Form(redact=lambda line: line.replace("sk-secret", "***"))
    assert "sk-secret" in report(event, history=past)
    assert "sk-secret" not in report(event, form, history=past)
    assert report(event, form, history=past).count("***") == 6


def test_a_cause_that_is_its_own_cause_ends() -> None:
    error = ValueError("round")
    error.__cause__ = ExceptionGroup("g", [error])
    event = Exited("top/a", 1.0, 1, Exit(ExitKind.CRASHED, "", error))
    assert report(event).count("round") < 5


def test_a_large_group_is_cut() -> None:
    group = ExceptionGroup("g", [ValueError(str(number)) for number in range(20)])
    event = Exited("top/a", 1.0, 1, Exit(ExitKind.CRASHED, "", group))
    lines = report(event, Form(depth=3)).splitlines()
    assert [line for line in lines if line.startswith("cause 1: ")] == [
        "cause 1: ValueError: 0",
        "cause 1: ValueError: 1",
        "cause 1: ValueError: 2",
        "cause 1: … and 17 more in its group",
    ]


def test_an_event_whose_text_fails_has_a_report_and_a_line() -> None:
    class Broken(Event):
        def text(self) -> str:
            raise RuntimeError("no")

    assert "text unavailable: RuntimeError" in report(Broken("top/a", 0.0))
    assert "text unavailable: RuntimeError" in Broken("top/a", 0.0).line()


def test_a_thread_sink_keeps_the_order_and_can_be_used_again() -> None:
    seen: list[tuple[Event, str]] = []
    sink = ThreadSink(lambda event: seen.append((event, threading.current_thread().name)))
    for _ in range(2):
        sent = [Event("top/a", float(n)) for n in range(100)]
        for event in sent:
            sink(event)
        assert sink.close(60)
        assert [event for event, _ in seen] == sent
        assert {name for _, name in seen} == {"event-sink"}
        seen.clear()
    assert sink.lost == 0
    assert sink.close()
