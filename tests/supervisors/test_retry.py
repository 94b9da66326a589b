"""What an exception says about its retry; failures in a row."""

import math

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from hive.actors import Exit, ExitKind
from hive.supervisors import (
    Backoff,
    ChildSpec,
    IntensityExceeded,
    Parked,
    Restart,
    RestartIntensity,
    RetryAfter,
    StartFailed,
    State,
)
from hive.supervisors.policy import Action, End, FailureCounts, decide

seconds = st.floats(allow_nan=False)
chance = st.floats(0, 1, exclude_max=True)


async def _start(ctx: object) -> None: ...


def crash(error: BaseException, at: float = 0.0) -> End:
    return End(Exit(ExitKind.CRASHED, "", error), at, 0.0, True)


@given(st.lists(seconds, min_size=1, max_size=3), st.floats(0, 100), chance, st.floats(0.1, 1e4))
def test_the_delay_is_what_was_asked_within_the_cap(asked, initial, luck, cap) -> None:
    spec = ChildSpec("a", _start, backoff=Backoff(initial=initial, min=0.1, max=cap, jitter=1))
    group = ExceptionGroup("g", [ValueError(), *map(RetryAfter, asked)])
    decision = decide(crash(group), spec, FailureCounts(), (), RestartIntensity(), luck)
    assert decision.action is Action.RESTART
    assert decision.until == min(max(0.0, *asked), cap)
    assert decision.counts.failures == 1


@given(st.integers(0, 5), st.integers(0, 10), st.booleans())
def test_too_many_in_a_row_however_slow(limit, failures, own) -> None:
    spec = ChildSpec("a", _start, park_on_exhausted=own)
    intensity = RestartIntensity(1000, 0.001, in_a_row=limit)
    decision = decide(crash(ValueError()), spec, FailureCounts(failures), (), intensity, 0.0)
    gone = Action.PARK if own else Action.ESCALATE
    assert decision.action is (gone if failures + 1 > limit else Action.RESTART)


@given(st.sampled_from(Restart), st.booleans())
def test_a_class_that_is_never_retried_parks_for_good_and_costs_nothing(restart, own) -> None:
    spec = ChildSpec("a", _start, restart, never_retry=(LookupError,), park_on_exhausted=own)
    end = crash(ExceptionGroup("g", [RetryAfter(3), KeyError("gone")]))
    decision = decide(end, spec, FailureCounts(), (1.0,), RestartIntensity(0, 100), 0.0)
    if restart is Restart.TEMPORARY:
        assert decision.action is Action.REMOVE
    else:
        assert (decision.action, decision.until) == (Action.PARK, None)
        assert "not retried" in decision.reason
    assert (decision.window, decision.counts) == ((1.0,), FailureCounts())


def test_a_delay_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="allowed"):
        RetryAfter(math.nan)
    assert str(RetryAfter(2, OSError("x"))) == "retry after 2 s (OSError)"


async def test_never_retry_waits_for_the_operator(script) -> None:
    top = script.make(
        [script.child("a", never_retry=(PermissionError,))], intensity=RestartIntensity(0, 1)
    )
    async with script.running(top):
        await script.end("a", PermissionError("bad key"))
        await trio.sleep(80_000)
        assert top.snapshot().children[0].state is State.PARKED
        assert script.of(Parked)[0].reason == "not retried: PermissionError: bad key"
        top.unpark("a")
        await trio.sleep(1)
        assert top.snapshot().children[0].state is State.RUNNING


async def test_never_retry_in_the_first_start_is_its_starters(script) -> None:
    script.fail_init["a"] = PermissionError("bad key")
    top = script.make([])
    async with script.running(top):
        with pytest.raises(StartFailed, match="bad key"):
            await top.start_child(script.child("a", never_retry=(PermissionError,)))
        assert top.which_children() == ()


async def test_slow_failures_in_a_row_escalate_where_the_period_alone_would_not(script) -> None:
    slow = Backoff(initial=60, min=60, max=60, jitter=0, healthy_after=10)
    for in_a_row, ends in ((None, False), (3, True)):
        top = script.make(
            [script.child("a", backoff=slow)], intensity=RestartIntensity(1, 5, in_a_row=in_a_row)
        )
        try:
            async with script.running(top):
                for _ in range(4):
                    await script.end("a", OSError("again"))
                    await trio.sleep(60)
                    await trio.testing.wait_all_tasks_blocked()
            assert not ends
        except IntensityExceeded:
            assert ends
