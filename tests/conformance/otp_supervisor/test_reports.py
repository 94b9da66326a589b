"""L. Reports."""

import pytest

from hive.supervisors import Escalated, Exit, Exited, ExitKind, Form, Stopping, report


def nested(depth: int) -> BaseException:
    """An error with a chain of causes."""
    error: BaseException = ValueError("cause 1 " + "x" * 10_000)
    for number in range(2, depth + 1):
        try:
            raise RuntimeError(f"cause {number}\nline two\x1b[31m") from error
        except RuntimeError as outer:
            error = outer
    return error


EVENTS = [
    Exited("top/in/a", 12.5, 3, Exit(ExitKind.CRASHED, "", nested(20)), 4.25, ("m1", "m2\n")),
    Escalated("top/in", 13.0, nested(20)),
    Stopping("top", 14.0, "asked\nto stop"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_format_log_1(event) -> None:
    """Adapted: the full form, by depth and by size."""
    deep, flat = report(event, Form(depth=20, limit=10**6)), report(event, Form(depth=2))
    assert (deep.count("\ncause "), flat.count("\ncause ")) in ((20, 2), (0, 0))
    assert ("18 causes more" in flat) == ("cause 1:" in flat)
    assert deep.isascii() or "…" in deep
    assert all(line.isprintable() and len(line) < 1000 for line in deep.splitlines())
    for limit in (0, 10, 100, 1000):
        assert len(report(event, Form(limit=limit))) <= max(limit, len("… (cut)"))
    assert len(report(event, Form(limit=100))) == min(100, len(report(event)))
    if isinstance(event, Exited):
        assert "ancestors: top > in" in deep
        assert "incarnation 3, lived 4.250 s" in deep
        assert "last message: m2\\n" in deep
        assert "in nested" in deep


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_format_log_2(event) -> None:
    """Adapted: the same on a single line; the short line of an event is always one."""
    line = report(event, Form(single_line=True, limit=2000))
    assert line.isprintable()
    assert len(line) <= 2000
    whole = report(event, Form(single_line=True, limit=10**6))
    assert whole.split(" | ") == report(event, Form(limit=10**6)).splitlines()
    assert event.line().isprintable()
    assert event.path in event.line()
