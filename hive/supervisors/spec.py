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
    """When a child that ended by itself is started again.

    PERMANENT: always. TRANSIENT: after a crash. TEMPORARY: never, and its spec goes with it.
    """

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


class Strategy(StrEnum):
    """Which siblings are restarted with a failed child: none, all, or those after it."""

    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    REST_FOR_ONE = "rest_for_one"


class AutoShutdown(StrEnum):
    """Which ends of significant children end their supervisor: none, the first, or the last."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"


class OnSilence(StrEnum):
    """What the watchdog does to a child that is silent.

    RESTART: stop it, which counts as a crash. PARK: stop it until the operator unparks it. REPORT:
    send a Silent event, again each time that the watchdog's time has passed.
    """

    RESTART = "restart"
    PARK = "park"
    REPORT = "report"


class Subtree(Protocol):
    """The supervisor that a child runs, for whoever looks for a child below it."""

    def locate(self, path: str) -> tuple[Any, str]:
        """Return the supervisor of the child at `path`, and the child's id there.

        Raises NotFound.
        """


@frozen
class ChildSpec:
    """How to start one child, and what to do when it ends. All times are in seconds."""

    id: str
    """Unique among its siblings; printable and not empty."""
    start: Callable[[Context], Awaitable[None]]
    """Runs for the whole life of an incarnation, and calls `ctx.ready()` when it works."""
    restart: Restart = Restart.PERMANENT
    grace: float = 5.0
    """From its cancellation until it is reported as overdue. 0 is brutal, math.inf for ever."""
    drain: float = 0.0
    """From `ctx.stop_requested` until it is cancelled."""
    init_timeout: float = 30.0
    """Until it must have called ready(); `ctx.extend()` asks for more."""
    backoff: Backoff = DEFAULT_BACKOFF
    watchdog: float | None = None
    """The longest time without `ctx.tick()` after ready(); None: it need not tick."""
    on_silence: OnSilence = OnSilence.RESTART
    """What happens when the watchdog's time is over."""
    never_retry: tuple[type[Exception], ...] = ()
    """Exceptions after which it is parked until somebody unparks it, which is no failure."""
    kind: Kind = "worker"
    significant: bool = False
    """Its end may end its supervisor, see AutoShutdown."""
    park_on_exhausted: bool = False
    """Count its failures apart; too many park it instead of ending its supervisor."""
    park_backoff: Backoff = PARK_BACKOFF
    """For how long such a park is, each time that it happens in a row."""
    park_jitter: float = 1.0
    """By how much wake times of parks are spread, to later."""
    children: Callable[[], tuple[Snapshot, ...]] | None = None
    """Shows the tree below it, if it has one."""
    hurry: Callable[[float], None] | None = None
    """Shortens the stop of the tree below it to that grace."""
    supervisor: Subtree | None = None
    """The supervisor that it runs, for Supervisor.locate(); see supervisor_spec()."""


def check_specs(
    specs: Iterable[ChildSpec], *, auto_shutdown: AutoShutdown = AutoShutdown.NEVER
) -> None:
    """Check child specs. Raises SpecError that names every fault, and ids that occur twice."""
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
