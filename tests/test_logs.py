"""A log in which one kind of line cannot drown the others."""

import io
import logging
from collections.abc import Iterator

import pytest

from hive.logs import LEFT_OUT, MOST_KINDS, LimitedHandler
from hive.rate import Rate


class Log:
    def __init__(self) -> None:
        self.now = 1000.0
        self.text = io.StringIO()
        rate = Rate(burst=3, every=10.0)
        self.handler = LimitedHandler(self.text, rate=rate, now=lambda: self.now)
        self.logger = logging.Logger("a.name")
        self.logger.addHandler(self.handler)

    def lines(self) -> list[str]:
        return self.text.getvalue().splitlines()


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log()
    yield log
    log.handler.close()


def test_a_flood_is_cut_counted_and_goes_on_later(log: Log) -> None:
    for number in range(500):
        log.logger.warning("peer %d misbehaves", number)
    assert log.lines() == [*(f"peer {n} misbehaves" for n in range(3)), LEFT_OUT]
    log.logger.warning("something else")
    assert log.lines()[-1] == "something else"
    log.now += 10
    log.logger.warning("peer %d misbehaves", 500)
    assert log.lines()[-2:] == ["497 lines like the next one were left out", "peer 500 misbehaves"]


def test_tracebacks_are_lines_of_their_kind(log: Log) -> None:
    for _ in range(100):
        try:
            raise ValueError("boom")
        except ValueError:
            log.logger.exception("it failed")
    assert log.text.getvalue().count("Traceback") == 3


def test_the_end_says_what_was_left_out(log: Log) -> None:
    for number in range(10):
        log.logger.error("lost %s", number)
    log.handler.close()
    assert log.lines()[-1] == "7 lines were left out: lost %s"


def test_lines_that_are_all_argument_are_kinds_of_their_own(log: Log) -> None:
    for number in range(10):
        log.logger.warning("%s", f"hive/agents/a{number}: crashed")
    assert len(log.lines()) == 10


def test_kinds_are_bounded(log: Log) -> None:
    for number in range(MOST_KINDS * 3):
        log.logger.warning("%s", number)
    assert len(log.handler._kinds) == MOST_KINDS
