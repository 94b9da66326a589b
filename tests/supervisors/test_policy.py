"""The pure cores: back-off, budget, verdicts, classification, texts; no Trio."""

import math

from hypothesis import given
from hypothesis import strategies as st

from hive.actors import Exit, ExitKind, Park, Shutdown, Stop, classify
from hive.supervisors import (
    Backoff,
    ChildSpec,
    IntensityExceeded,
    Restart,
    RestartIntensity,
    Strategy,
)
from hive.supervisors.events import one_line as flat
from hive.supervisors.policy import Action, End, FailureCounts, action_for, decide, restarts_with

times = st.floats(0, 1e6, allow_nan=False)
chance = st.floats(0, 1, exclude_max=True)
steps = st.builds(
    Backoff,
    initial=st.floats(0, 100),
    min=st.floats(0.001, 10),
    factor=st.floats(1, 100),
    max=st.floats(10, 1e5),
    jitter=st.floats(0, 1),
)


async def _start(ctx: object) -> None: ...


@given(steps, st.integers(1, 10_000), chance)
def test_a_delay_is_never_above_the_cap_nor_below_what_jitter_may_take(backoff, failures, luck):
    full = backoff.delay(failures, 0.0)
    assert 0 <= full <= max(backoff.max, backoff.initial) * (1 + 1e-9)
    assert full * (1 - backoff.jitter) * (1 - 1e-9) <= backoff.delay(failures, luck) <= full


@given(steps, st.integers(2, 10_000))
def test_delays_never_shrink_and_reach_the_cap_if_they_grow(backoff, failures):
    assert backoff.delay(failures, 0.0) <= backoff.delay(failures + 1, 0.0) * (1 + 1e-9)
    if backoff.factor > 1.01:
        assert backoff.delay(10_000, 0.0) == backoff.max


def test_the_steps_by_example():
    backoff = Backoff(initial=0, min=1, factor=2, max=7, jitter=0.5)
    assert [backoff.delay(n, 0.0) for n in range(1, 7)] == [0, 1, 2, 4, 7, 7]
    assert backoff.delay(4, 0.5) == 3.0


@given(st.lists(times, min_size=1), st.integers(0, 5), st.floats(0.001, 100))
def test_the_intensity_is_the_count_of_recent_failures(at, intensity, period):
    limit, window = RestartIntensity(intensity, period), ()
    at.sort()
    for position, now in enumerate(at):
        window, exhausted = limit.add(window, now)
        recent = [then for then in at[: position + 1] if now - then <= period]
        assert list(window) == recent
        assert exhausted == (len(recent) > intensity)


@given(
    st.sampled_from(ExitKind),
    st.sampled_from(Restart),
    st.booleans(),
    st.booleans(),
)
def test_temporary_children_are_never_restarted_and_parks_always_park(kind, restart, ready, retry):
    action = action_for(Exit(kind), restart, was_ready=ready, retry_start=retry)
    assert (action is Action.PARK) == (kind is ExitKind.PARKED)
    if restart is Restart.TEMPORARY:
        assert action is not Action.RESTART
    if kind is ExitKind.CRASHED and restart is not Restart.TEMPORARY and (ready or retry):
        assert action is Action.RESTART
    if ready or retry:
        assert action is not Action.FAIL_START


@given(st.lists(times, min_size=1, max_size=30), chance, st.booleans())
def test_a_crash_restarts_later_or_escalates_or_parks_by_the_intensity_alone(at, luck, own):
    spec = ChildSpec("a", _start, park_on_exhausted=own)
    limit, counts, window = RestartIntensity(3, 10.0), FailureCounts(), ()
    for now in sorted(at):
        end = End(Exit(ExitKind.CRASHED, "", ValueError()), now, 0.0, True)
        before = counts.window if own else window
        exhausted = limit.add(before, now)[1]
        decision = decide(end, spec, counts, window, limit, luck)
        counts, window = decision.counts, decision.window
        gone = Action.PARK if own else Action.ESCALATE
        assert decision.action is (gone if exhausted else Action.RESTART)
        assert decision.until is None or decision.until >= now
        assert not (own and window)
        assert own or not counts.window


@given(times, st.floats(-1e6, 2e6, allow_nan=False), st.integers(0, 50), chance)
def test_a_park_never_ends_before_its_time_nor_at_once(now, until, parks, luck):
    spec = ChildSpec("a", _start, park_jitter=5.0)
    end = End(classify(Park("limited", until), None), now, None, False)
    decision = decide(end, spec, FailureCounts(parks=parks), (1.0,), RestartIntensity(0, 1), luck)
    assert decision.action is Action.PARK
    assert decision.window == (1.0,)
    assert decision.until >= until
    assert decision.until > now
    assert decision.until <= max(until, now + spec.backoff.max) + spec.park_jitter


def test_a_supervisor_that_gave_up_parks_without_a_second_look_at_the_intensity():
    spec = ChildSpec("a", _start, park_on_exhausted=True)
    gave_up = IntensityExceeded("p", "c", "b", None)
    end = End(Exit(ExitKind.CRASHED, "", ExceptionGroup("g", [gave_up])), 0.0, 5.0, True)
    assert (
        decide(end, spec, FailureCounts(), (), RestartIntensity(100, 1), 0.0).action is Action.PARK
    )


@given(st.sampled_from(Strategy), st.integers(0, 20), st.integers(0, 20))
def test_who_is_taken_along(strategy, failed, other):
    expected = {
        Strategy.ONE_FOR_ONE: other == failed,
        Strategy.REST_FOR_ONE: other >= failed,
        Strategy.ONE_FOR_ALL: True,
    }
    assert restarts_with(strategy, failed, other) == expected[strategy]


leaf = st.sampled_from([ValueError("v"), Shutdown("s"), Park("p", 1.0), KeyboardInterrupt()])
errors = st.recursive(
    leaf,
    lambda inner: st.lists(inner, min_size=1, max_size=3).map(lambda e: BaseExceptionGroup("g", e)),
    max_leaves=5,
)


@given(st.none() | errors)
def test_what_we_ordered_is_a_stop_whatever_was_raised(error):
    ended = classify(error, Stop("terminated"))
    assert ended.kind is ExitKind.SHUTDOWN
    assert classify(error, Stop("silent", failure=True)).kind is ExitKind.CRASHED


@given(errors)
def test_one_crash_among_the_leaves_makes_a_crash(error):
    def bad(one):
        if isinstance(one, BaseExceptionGroup):
            return any(bad(inner) for inner in one.exceptions)
        return isinstance(one, ValueError | KeyboardInterrupt)

    assert (classify(error, None).kind is ExitKind.CRASHED) >= bad(error)
    if bad(error):
        assert classify(error, None).error is error


@given(st.text(), st.integers(10, 600))
def test_one_line_is_printable_and_bounded(text, limit):
    line = flat(text, limit)
    assert line.isprintable()
    assert len(line) <= limit * 10  # an escape is at most ten characters for one
    if len(text) <= limit and text.isprintable():
        assert line == text


def test_an_exception_that_cannot_be_printed_does_no_harm():
    class Nasty(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    from hive.supervisors import cause_text

    assert cause_text(Nasty()) == "Nasty: <text unavailable: RuntimeError>"
    assert math.isfinite(len(cause_text(Nasty())))
