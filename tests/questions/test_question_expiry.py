"""The alarm clock of questions, in virtual time, with a wall clock that somebody may set."""

from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, field

from hive.alarm import RECHECK_S
from hive.questions import QuestionService
from hive.questions.service import RETRY_S
from hive.store import StoreFull
from hive.supervisors import Context


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Virtual time: it jumps ahead when every task sleeps."""
    return ("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})


@define
class Fake:
    """Questions in memory: when each expires (wall time), and when it did (Trio's)."""

    due: list[float] = field(factory=list)
    ended: list[float] = field(factory=list)
    offset: float = 1_000_000.0
    looks: int = 0
    failures: int = 0

    def wall(self) -> float:
        return trio.current_time() + self.offset

    async def next_due(self) -> float | None:
        await trio.lowlevel.checkpoint()
        self.looks += 1
        return min(self.due, default=None)

    async def expire(self) -> int:
        await trio.lowlevel.checkpoint()
        if self.failures:
            self.failures -= 1
            raise StoreFull("no space")
        over = [at for at in self.due if at <= self.wall()]
        self.due = [at for at in self.due if at not in over]
        self.ended += [trio.current_time()] * len(over)
        return len(over)

    def service(self) -> QuestionService:
        """The service with these questions in the place of those of a store."""
        nothing: Any = None
        service = QuestionService(nothing, nothing, nothing, wall=self.wall)
        service.next_due, service.expire = self.next_due, self.expire  # type: ignore[method-assign]
        return service


async def ran(fake: Fake, seconds: float) -> float:
    """Run the alarm for that long; gives when it began."""
    began = trio.current_time()
    with trio.move_on_after(seconds):
        await fake.service().run(Context("test/questions"))
    return began


async def test_each_question_ends_when_its_time_is_over() -> None:
    fake = Fake()
    fake.due = [fake.wall() + after for after in (-5.0, 10.0, 10.0, 250.0)]
    began = await ran(fake, 300)
    assert [at - began for at in fake.ended] == [0.0, 10.0, 10.0, 250.0]
    assert fake.looks < 20, "it sleeps, and does not poll"


async def test_a_question_that_comes_later_and_is_due_earlier() -> None:
    fake = Fake()
    fake.due = [fake.wall() + 50]
    service, began = fake.service(), trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.run, Context("test/questions"))
        await trio.sleep(10)
        fake.due.append(fake.wall() + 5)
        service._alarm.ring()
        await trio.sleep(6)
        nursery.cancel_scope.cancel()
    assert [at - began for at in fake.ended] == [15.0]


@pytest.mark.parametrize(("step", "expected"), [(3600.0, RECHECK_S), (-3600.0, 3600.0 + 1800.0)])
async def test_a_wall_clock_that_is_set(step: float, expected: float) -> None:
    fake = Fake()
    fake.due = [fake.wall() + 1800]
    async with trio.open_nursery() as nursery:
        began = trio.current_time()
        nursery.start_soon(fake.service().run, Context("test/questions"))
        await trio.sleep(1)
        fake.offset += step
        await trio.sleep(2 * 3600)
        nursery.cancel_scope.cancel()
    assert [at - began for at in fake.ended] == [expected]


async def test_a_full_disk_only_delays() -> None:
    fake = Fake(failures=2)
    fake.due = [fake.wall() + 1]
    began = await ran(fake, 60)
    assert [at - began for at in fake.ended] == [1 + 2 * RETRY_S]
