"""Pure decisions: what an exit means for the child, for its siblings and for the supervisor."""

from __future__ import annotations

from enum import Enum, auto

from attrs import evolve, frozen

from hive.actors.exits import Exit, ExitKind, leaves
from hive.supervisors.backoff import is_never_retried, retry_delay
from hive.supervisors.errors import IntensityExceeded, cause_text
from hive.supervisors.events import exit_text
from hive.supervisors.flags import RestartIntensity
from hive.supervisors.spec import AutoShutdown, ChildSpec, Restart, Strategy


class Action(Enum):
    """What to do with a child that ended by itself.

    KEEP it stopped, REMOVE it with its spec, FAIL_START: its starter gets the error, ESCALATE: its
    supervisor gives up.
    """

    RESTART = auto()
    KEEP = auto()
    REMOVE = auto()
    PARK = auto()
    FAIL_START = auto()
    ESCALATE = auto()


@frozen
class FailureCounts:
    """What counts against a child: failures, parks, intensities exceeded, each in a row.

    `window` holds the times of its failures if they are counted apart (`park_on_exhausted`).
    """

    failures: int = 0
    parks: int = 0
    exhaustions: int = 0
    window: tuple[float, ...] = ()


@frozen
class End:
    """The end of an incarnation, at a time of Trio's clock.

    `healthy_for` is the seconds since it became ready, None if it never was. `retry_start`: a
    failed start is retried; if False, its failure is its starter's.
    """

    exit: Exit
    at: float
    healthy_for: float | None
    retry_start: bool


@frozen
class Decision:
    """What follows from an end.

    `until` is when to restart or unpark, a time of Trio's clock; None: now, or never by time.
    `counts` and `window` (the times of the supervisor's failures) are for the next decision.
    """

    action: Action
    counts: FailureCounts
    window: tuple[float, ...]
    until: float | None = None
    reason: str = ""


def decide(
    end: End,
    spec: ChildSpec,
    counts: FailureCounts,
    window: tuple[float, ...],
    intensity: RestartIntensity,
    chance: float,
) -> Decision:
    """Decide what follows when a child ended by itself.

    `counts` and `window` are those of the last decision; `chance` is a random number in [0, 1).
    """
    reason = exit_text(end.exit)
    action = action_for(
        end.exit, spec.restart, was_ready=end.healthy_for is not None, retry_start=end.retry_start
    )
    if action is Action.PARK:
        return _park(end, spec, counts, window, chance)
    if action is not Action.RESTART:
        return Decision(action, counts, window, reason=reason)
    if is_never_retried(end.exit.error, spec.never_retry):
        reason = f"not retried: {cause_text(end.exit.error)}"
        return Decision(Action.PARK, counts, window, reason=reason)

    failures = spec.backoff.failures_after(counts.failures, end.healthy_for)
    counts = evolve(counts, failures=failures)
    if spec.park_on_exhausted:
        own, exhausted = intensity.add(counts.window, end.at)
        if exhausted or intensity.too_many_in_a_row(failures) or exceeded_intensity(end.exit):
            return _park_exhausted(end, spec, counts, window, chance)
        counts = evolve(counts, window=own)
    else:
        window, exhausted = intensity.add(window, end.at)
        if exhausted or intensity.too_many_in_a_row(failures):
            return Decision(Action.ESCALATE, counts, window, reason=reason)
    delay = retry_delay(end.exit.error, spec.backoff.max)
    if delay is None:
        delay = spec.backoff.delay(failures, chance)
    return Decision(Action.RESTART, counts, window, end.at + delay, reason)


def action_for(ended: Exit, restart: Restart, *, was_ready: bool, retry_start: bool) -> Action:
    """Return what the kind of end and the restart type ask for, before any failure is counted.

    A one-shot child (transient, temporary) may be done before it says ready; a permanent one may
    not, so that a forgotten ready() is never silent.
    """
    if ended.kind is ExitKind.PARKED:
        return Action.PARK
    temporary = restart is Restart.TEMPORARY
    if ended.kind is ExitKind.IGNORED and not was_ready:
        return Action.REMOVE if temporary else Action.KEEP
    crashed = ended.kind in (ExitKind.CRASHED, ExitKind.IGNORED)
    failed = crashed or restart is Restart.PERMANENT
    if failed and not was_ready and not retry_start:
        return Action.FAIL_START
    if temporary:
        return Action.REMOVE
    return Action.RESTART if failed else Action.KEEP


def restarts_with(strategy: Strategy, failed: int, other: int) -> bool:
    """Return whether the child at position `other` is restarted with the one at `failed`."""
    if strategy is Strategy.ONE_FOR_ALL:
        return True
    return other == failed or (strategy is Strategy.REST_FOR_ONE and other > failed)


def ends_supervisor(mode: AutoShutdown, significant: bool, others_active: int) -> bool:
    """Return whether the end of a child that is not restarted ends its supervisor (OTP 24).

    `others_active` is how many other significant children still live or will be started.
    """
    if not significant or mode is AutoShutdown.NEVER:
        return False
    return mode is AutoShutdown.ANY_SIGNIFICANT or others_active == 0


def exceeded_intensity(ended: Exit) -> bool:
    """Return whether the child is a supervisor that exceeded its own restart intensity."""
    return ended.error is not None and any(
        isinstance(leaf, IntensityExceeded) for leaf in leaves(ended.error)
    )


def _park(
    end: End, spec: ChildSpec, counts: FailureCounts, window: tuple[float, ...], chance: float
) -> Decision:
    parks = spec.backoff.failures_after(counts.parks, end.healthy_for)
    counts = evolve(counts, parks=parks)
    until = None if end.exit.park is None else end.exit.park.until
    if until is not None:
        # A wake time in the past must not make a loop without delay.
        until = max(until, end.at + spec.backoff.delay(parks + 1, 0.0)) + spec.park_jitter * chance
    return Decision(Action.PARK, counts, window, until, end.exit.detail)


def _park_exhausted(
    end: End, spec: ChildSpec, counts: FailureCounts, window: tuple[float, ...], chance: float
) -> Decision:
    exhaustions = spec.park_backoff.failures_after(counts.exhaustions, end.healthy_for)
    counts = evolve(counts, exhaustions=exhaustions, window=())
    until = end.at + spec.park_backoff.delay(exhaustions, chance)
    reason = f"restart intensity exceeded: {exit_text(end.exit)}"
    return Decision(Action.PARK, counts, window, until, reason)
