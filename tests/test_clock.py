"""Time passes for a loop only while it runs, or sleeps as it had planned."""

import time

import trio
from hypothesis import given
from hypothesis import strategies as st

from hive.clock import LONGEST_SLEEP_S, STANDSTILL_S, LoopClock


class System:
    """The system's clock, which a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


SLEEPS = st.lists(
    st.tuples(st.floats(0, 3600), st.floats(0, STANDSTILL_S - 0.01) | st.floats(3, 1e6)),
    max_size=30,
)


@given(SLEEPS)
def test_a_deadline_is_never_early_and_no_standstill_makes_it_pass(
    sleeps: list[tuple[float, float]],
) -> None:
    """Each sleep is for a deadline, after which the loop comes back late by some time."""
    system = System()
    clock = LoopClock(system)
    for wanted, late in sleeps:
        before = clock.current_time()
        planned = clock.deadline_to_sleep_time(before + wanted)
        assert planned <= LONGEST_SLEEP_S
        system.now += planned + late
        passed = clock.current_time() - before
        if late > STANDSTILL_S:
            assert abs(passed - planned) < 1e-3, "the standstill does not count"
        else:
            assert abs(passed - planned - late) < 1e-3, "a busy machine's delay does"


def test_a_deadline_that_has_passed_already_is_no_sleep() -> None:
    system = System()
    clock = LoopClock(system)
    clock.deadline_to_sleep_time(clock.current_time() - 50)
    system.now += 30
    before = clock.lost
    clock.current_time()
    assert clock.lost - before == 30


def test_a_loop_that_was_stopped_gives_everybody_the_time_that_was_left() -> None:
    skipped = 0.0

    async def main() -> None:
        nonlocal skipped
        with trio.move_on_after(60) as patience:
            await trio.sleep(0.01)
            skipped = 3600.0  # SIGSTOP, an hour, SIGCONT
            for _ in range(3):
                await trio.sleep(0.01)
        assert not patience.cancelled_caught
        assert trio.current_time() - began < 10

    began = 0.0

    async def run() -> None:
        nonlocal began
        began = trio.current_time()
        await main()

    trio.run(run, clock=LoopClock(lambda: time.perf_counter() + skipped))
