"""Child specs: what a supervisor is told about a child, and the check of it."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum
from typing import Any, Literal, Protocol

from attrs import frozen

from hive.supervisors.backoff import DEFAULT_BACKOFF, PARK_BACKOFF, Backoff, class_faults
from hive.supervisors.context import Context
from hive.supervisors.errors import SpecError
from hive.supervisors.snapshot import Snapshot

Kind = Literal["worker", "supervisor"]


class Restart(StrEnum):
    """When a child that ended by itself is started again."""

    PERMANENT = "permanent"  # always
    TRANSIENT = "transient"  # after a crash
    TEMPORARY = "temporary"  # never; its spec goes with it


class Strategy(StrEnum):
    """Which siblings a failed child takes along."""

    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    REST_FOR_ONE = "rest_for_one"


class AutoShutdown(StrEnum):
    """Whether the end of significant children ends their supervisor."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"


class OnSilence(StrEnum):
    """What the watchdog does to a child that is silent."""

    RESTART = "restart"  # stop it; a crash
    PARK = "park"  # stop it; the operator unparks it
    REPORT = "report"  # tell it, again each time that the watchdog's time has passed


class Subtree(Protocol):
    """A supervisor that a child runs, for whoever looks for a child below it."""

    def locate(self, path: str) -> tuple[Any, str]:
        """The supervisor of the child at `path` and the child's id there. Raises NotFound."""


@frozen
class ChildSpec:
    """One child. All times in seconds.

    `start` runs for the child's whole life and calls `ctx.ready()` within `init_timeout`.
    A stop sets `ctx.stop_requested`, waits `drain`, cancels, waits `grace` (math.inf: for ever;
    0: brutal), and then reports the child as overdue. `watchdog`: the longest silence of
    `ctx.tick()` after ready(), and `on_silence` what then happens. `never_retry`: exceptions after
    which it is parked until somebody unparks it, at no cost. `park_on_exhausted`: the
    failures of the child are counted apart, and when it (or the supervisor that it is) exceeds the
    intensity, it is
    parked for growing times by `park_backoff` instead of ending its supervisor. `park_jitter`
    spreads wake times by up to that much. `children` and `hurry` let a child that has a tree of its
    own show it and stop it faster; `supervisor` is what it runs, for Supervisor.locate().
    """

    id: str
    start: Callable[[Context], Awaitable[None]]
    restart: Restart = Restart.PERMANENT
    grace: float = 5.0
    drain: float = 0.0
    init_timeout: float = 30.0
    backoff: Backoff = DEFAULT_BACKOFF
    watchdog: float | None = None
    on_silence: OnSilence = OnSilence.RESTART
    never_retry: tuple[type[Exception], ...] = ()
    kind: Kind = "worker"
    significant: bool = False
    park_on_exhausted: bool = False
    park_backoff: Backoff = PARK_BACKOFF
    park_jitter: float = 1.0
    children: Callable[[], tuple[Snapshot, ...]] | None = None
    hurry: Callable[[float], None] | None = None
    supervisor: Subtree | None = None


def check_specs(
    specs: Iterable[ChildSpec], *, auto_shutdown: AutoShutdown = AutoShutdown.NEVER
) -> None:
    """Raise SpecError naming every fault of every spec, and ids that occur twice."""
    faults: list[str] = []
    seen: set[str] = set()
    for position, spec in enumerate(specs):
        if not isinstance(spec, ChildSpec):
            faults.append(f"child {position} is a {type(spec).__name__}; allowed: ChildSpec")
            continue
        faults += [f"child {spec.id!r}: {fault}" for fault in _faults(spec, auto_shutdown)]
        if isinstance(spec.id, str) and spec.id in seen:
            faults.append(f"child {spec.id!r}: the id occurs twice; ids must be unique")
        seen.add(str(spec.id))
    if faults:
        raise SpecError("; ".join(faults))


def _faults(spec: ChildSpec, auto_shutdown: AutoShutdown) -> list[str]:
    faults = []
    if not isinstance(spec.id, str) or not spec.id or not spec.id.isprintable():
        faults.append("id must be a string of printable characters, not empty")
    if not callable(spec.start):
        faults.append(f"start is {spec.start!r}; allowed: an async function of one Context")
    if not isinstance(spec.restart, Restart):
        faults.append(f"restart is {spec.restart!r}; allowed: a member of Restart")
    if not isinstance(spec.on_silence, OnSilence):
        faults.append(f"on_silence is {spec.on_silence!r}; allowed: a member of OnSilence")
    faults += class_faults(spec.never_retry)
    if spec.kind not in ("worker", "supervisor"):
        faults.append(f"kind is {spec.kind!r}; allowed: 'worker', 'supervisor'")
    faults += _time_faults("grace", spec.grace, 0, True)
    faults += _time_faults("drain", spec.drain, 0, False)
    faults += _time_faults("init_timeout", spec.init_timeout, None, True)
    faults += _time_faults("park_jitter", spec.park_jitter, 0, False)
    if spec.watchdog is not None:
        faults += _time_faults("watchdog", spec.watchdog, None, False)
    faults += spec.backoff.faults()
    faults += [f"park_{fault}" for fault in spec.park_backoff.faults()]
    if spec.significant and spec.restart is Restart.PERMANENT:
        faults.append("a permanent child cannot be significant: it never ends by itself")
    if spec.significant and auto_shutdown is AutoShutdown.NEVER:
        faults.append("significant needs a supervisor with auto_shutdown any or all")
    return faults


def _time_faults(name: str, value: object, least: float | None, infinite: bool) -> list[str]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and (value > 0 or value == least) and (infinite or value < math.inf):  # type: ignore[operator]
        return []
    allowed = "0 or more" if least == 0 else "above 0"
    return [f"{name} is {value!r}; allowed: seconds, {allowed}{', math.inf' if infinite else ''}"]
