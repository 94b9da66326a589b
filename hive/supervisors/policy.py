"""Pure decisions: what an exit means for the child, for its siblings and for the supervisor."""

from __future__ import annotations

from enum import Enum, auto

from attrs import evolve, frozen

from hive.actors.exits import Exit, ExitKind, leaves
from hive.supervisors.errors import IntensityExceeded, cause_text
from hive.supervisors.events import exit_text
from hive.supervisors.intensity import RestartIntensity
from hive.supervisors.retry import is_final, retry_delay
from hive.supervisors.spec import AutoShutdown, ChildSpec, Restart, Strategy


class Decision(Enum):
    """What to do with a child that ended by itself."""

    RESTART = auto()
    KEEP = auto()
    REMOVE = auto()
    PARK = auto()
    FAIL_START = auto()
    ESCALATE = auto()


@frozen
class History:
    """What counts against a child: failures, parks, intensities exceeded, each in a row.

    `window` holds the times of its failures if they are counted apart.
    """

    failures: int = 0
    parks: int = 0
    exhaustions: int = 0
    window: tuple[float, ...] = ()


@frozen
class End:
    """The end of an incarnation. `healthy_for`: seconds since ready, None if it never was.

    `retry_start` False: nobody retries this start, its failure is its starter's.
    """

    exit: Exit
    at: float
    healthy_for: float | None
    retry_start: bool


@frozen
class Verdict:
    """What follows from an end: `until` is when to restart or unpark (None: never by time).

    `window` is the supervisor's own, to be kept for the next verdict.
    """

    decision: Decision
    history: History
    window: tuple[float, ...]
    until: float | None = None
    reason: str = ""


def judge(
    end: End,
    spec: ChildSpec,
    history: History,
    window: tuple[float, ...],
    intensity: RestartIntensity,
    chance: float,
) -> Verdict:
    """Decide about a child that ended by itself; `chance` in [0, 1) is for the jitter."""
    reason = exit_text(end.exit)
    decision = decide(
        end.exit, spec.restart, was_ready=end.healthy_for is not None, retry_start=end.retry_start
    )
    if decision is Decision.PARK:
        return _park(end, spec, history, window, chance)
    if decision is not Decision.RESTART:
        return Verdict(decision, history, window, reason=reason)
    if is_final(end.exit.error, spec.never_retry):
        reason = f"not retried: {cause_text(end.exit.error)}"
        return Verdict(Decision.PARK, history, window, reason=reason)

    failures = spec.backoff.failures_after(history.failures, end.healthy_for)
    history = evolve(history, failures=failures)
    if spec.park_on_exhausted:
        own, exhausted = intensity.add(history.window, end.at)
        if exhausted or intensity.worn_out(failures) or gave_up(end.exit):
            return _park_exhausted(end, spec, history, window, chance)
        history = evolve(history, window=own)
    else:
        window, exhausted = intensity.add(window, end.at)
        if exhausted or intensity.worn_out(failures):
            return Verdict(Decision.ESCALATE, history, window, reason=reason)
    delay = retry_delay(end.exit.error, spec.backoff.max)
    if delay is None:
        delay = spec.backoff.delay(failures, chance)
    return Verdict(Decision.RESTART, history, window, end.at + delay, reason)


def decide(ended: Exit, restart: Restart, *, was_ready: bool, retry_start: bool) -> Decision:
    """What the kind of end and the restart type ask for, before any failure is counted.

    A one-shot child (transient, temporary) may be done before it says ready; a permanent one may
    not, so that a forgotten ready() is never silent.
    """
    if ended.kind is ExitKind.PARKED:
        return Decision.PARK
    temporary = restart is Restart.TEMPORARY
    if ended.kind is ExitKind.IGNORED and not was_ready:
        return Decision.REMOVE if temporary else Decision.KEEP
    crashed = ended.kind in (ExitKind.CRASHED, ExitKind.IGNORED)
    failed = crashed or restart is Restart.PERMANENT
    if failed and not was_ready and not retry_start:
        return Decision.FAIL_START
    if temporary:
        return Decision.REMOVE
    return Decision.RESTART if failed else Decision.KEEP


def taken_along(strategy: Strategy, failed: int, other: int) -> bool:
    """Whether the child at position `other` is restarted with the one at position `failed`."""
    if strategy is Strategy.ONE_FOR_ALL:
        return True
    return other == failed or (strategy is Strategy.REST_FOR_ONE and other > failed)


def ends_supervisor(mode: AutoShutdown, significant: bool, others_active: int) -> bool:
    """Whether the own end of a child, which is not restarted, ends its supervisor (OTP 24)."""
    if not significant or mode is AutoShutdown.NEVER:
        return False
    return mode is AutoShutdown.ANY_SIGNIFICANT or others_active == 0


def gave_up(ended: Exit) -> bool:
    """Whether the child is a supervisor that exceeded its own intensity."""
    return ended.error is not None and any(
        isinstance(leaf, IntensityExceeded) for leaf in leaves(ended.error)
    )


def _park(
    end: End, spec: ChildSpec, history: History, window: tuple[float, ...], chance: float
) -> Verdict:
    parks = spec.backoff.failures_after(history.parks, end.healthy_for)
    history = evolve(history, parks=parks)
    until = None if end.exit.park is None else end.exit.park.until
    if until is not None:
        # A wake time in the past must not make a loop without delay.
        until = max(until, end.at + spec.backoff.delay(parks + 1, 0.0)) + spec.park_jitter * chance
    return Verdict(Decision.PARK, history, window, until, end.exit.detail)


def _park_exhausted(
    end: End, spec: ChildSpec, history: History, window: tuple[float, ...], chance: float
) -> Verdict:
    exhaustions = spec.park_backoff.failures_after(history.exhaustions, end.healthy_for)
    history = evolve(history, exhaustions=exhaustions, window=())
    until = end.at + spec.park_backoff.delay(exhaustions, chance)
    reason = f"restart intensity exceeded: {exit_text(end.exit)}"
    return Verdict(Decision.PARK, history, window, until, reason)
