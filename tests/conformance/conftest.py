"""A virtual clock, puppets, and n random schedules of every test: STRESS=n, else 20 under CI, or 1.

Trio shuffles its tasks by a random generator of its own; Hypothesis seeds it in the same way.
"""

import os

import pytest
import trio.testing
from support.puppets import Puppets
from trio._core import _run as trio_run

SCHEDULES = int(os.environ.get("STRESS", "20" if "CI" in os.environ else "1"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if SCHEDULES > 1 and "puppets" in metafunc.fixturenames:
        marks = [pytest.param(n, marks=[pytest.mark.stress] if n else []) for n in range(SCHEDULES)]
        metafunc.parametrize("schedule", marks, indirect=True)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return ("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})


@pytest.fixture(autouse=True)
def schedule(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The number of the schedule, which seeds the order in which Trio runs its tasks."""
    number: int = getattr(request, "param", 0)
    monkeypatch.setattr(trio_run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    trio_run._r.seed(number)
    return number


@pytest.fixture
def puppets() -> Puppets:
    return Puppets()
