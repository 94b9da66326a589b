"""What callers may ask of a running supervisor. All is synchronous: the caller does the waiting.

Every function with a `child_id` raises NotFound when there is no such child.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from hive.actors.exits import Park
from hive.actors.slot import Slot
from hive.supervisors import events as ev
from hive.supervisors.child import AfterStop, ChildRecord
from hive.supervisors.errors import AlreadyPresent, MaxChildren, NotFound, NotRunning, StillRunning
from hive.supervisors.flags import SupervisorFlags
from hive.supervisors.machine import Machine
from hive.supervisors.policy import FailureCounts
from hive.supervisors.snapshot import State
from hive.supervisors.spec import ChildSpec, Restart, check_specs


def add(machine: Machine, spec: ChildSpec) -> Slot[object]:
    """Add a child at the end of the order and start it; the slot is settled when it is ready.

    Raises AlreadyPresent and MaxChildren; the slot is failed with StartFailed.
    """
    if (there := machine.children.get(spec.id)) is not None:
        raise AlreadyPresent(
            f"{there.path} exists and is {there.state}; ids are unique: "
            "use another id, or restart_child() or kick() this one"
        )
    allowed = machine.flags.max_children
    if len(machine.children) >= allowed:
        raise MaxChildren(
            f"{machine.path} has {len(machine.children)} children; allowed: {allowed:g}; "
            "terminate one first"
        )
    child = machine.record(spec)
    child.fresh = True
    return _ask_start(machine, child)


def restart(machine: Machine, child_id: str) -> Slot[object]:
    """Start a stopped child again; the slot is settled when it is ready.

    Raises StillRunning; the slot is failed with StartFailed.
    """
    child = _idle(machine, child_id, "restart_child")
    child.retry_start = False
    return _ask_start(machine, child)


def delete(machine: Machine, child_id: str) -> None:
    """Forget a stopped child. Raises StillRunning."""
    machine.forget(_idle(machine, child_id, "delete_child"))


def terminate(machine: Machine, child_id: str) -> ChildRecord:
    """Order a child to stop and return it: the caller waits for its `gone`."""
    child = get(machine, child_id)
    forget = machine.flags.dynamic or child.spec.restart is Restart.TEMPORARY
    machine.order_end(child, AfterStop.FORGET if forget else AfterStop.STOP, "terminated")
    return child


def kick(machine: Machine, child_id: str) -> None:
    """Stop a child if it runs, and start it now, whatever it waits for."""
    child = get(machine, child_id)
    child.counts = FailureCounts()
    if child.queued:
        machine.start_queued_now()
    else:
        machine.order_end(child, AfterStop.START, "kicked")


def park(machine: Machine, child_id: str, reason: str, until: float | None) -> None:
    """Stop a child if it runs, and park it until a time of Trio's clock; None: for ever."""
    child = get(machine, child_id)
    child.park = Park(reason, until)
    machine.order_end(child, AfterStop.PARK, f"parked: {reason}")


def unpark(machine: Machine, child_id: str) -> None:
    """Start a parked child; does nothing to one that is not parked."""
    child = get(machine, child_id)
    if child.after_stop is AfterStop.PARK:
        child.after_stop = AfterStop.START
    elif child.state is State.PARKED:
        machine.unpark(child, "operator")


def suspend(machine: Machine, child_id: str) -> None:
    """Halt a child and its later incarnations, until resume()."""
    child = get(machine, child_id)
    if not child.suspended:
        child.suspended = True
        machine.incarnations.emit(ev.Suspended(child.path, trio.current_time()), child)
        if child.ctx is not None:
            child.ctx.suspend()


def resume(machine: Machine, child_id: str) -> None:
    """Let a suspended child go on; does nothing to one that is not suspended."""
    child = get(machine, child_id)
    if child.suspended:
        child.suspended = False
        machine.incarnations.emit(ev.Resumed(child.path, trio.current_time()), child)
        if child.ctx is not None:
            child.ctx.resume()


def check_reconfigure(
    flags: SupervisorFlags, specs: Sequence[ChildSpec] | None, machine: Machine | None
) -> None:
    """Check new flags and child specs before anything is changed; `machine` None: it does not run.

    Raises SpecError, MaxChildren, and NotRunning for a dynamic supervisor that does not run.
    """
    if specs is not None and machine is None and flags.dynamic:
        raise NotRunning("a dynamic supervisor that does not run has no children; see load")
    check_specs(specs or (), auto_shutdown=flags.auto_shutdown)
    there = set() if machine is None else set(machine.children)
    count = len(there | {spec.id for spec in specs or ()})
    if specs is not None and count > flags.max_children:
        raise MaxChildren(f"{count} children; allowed: {flags.max_children:g}")


def reconfigure(
    machine: Machine, flags: SupervisorFlags, specs: Sequence[ChildSpec] | None
) -> None:
    """Apply checked flags and child specs (None: keep them), as OTP's code_change.

    No child is started or stopped; the next transition uses them. The order is that of `specs`;
    children that are not in it are kept, after all others.
    """
    machine.flags = flags
    added: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    if specs is not None:
        new = {spec.id: spec for spec in specs}
        added = tuple(name for name in new if name not in machine.children)
        kept = tuple(name for name in machine.children if name not in new)
        for spec in specs:
            child = machine.children.get(spec.id)
            if child is None:
                machine.record(spec).reason = "new; start it with restart_child()"
            else:
                child.spec = spec
        machine.reorder([*new, *kept])
    machine.incarnations.emit(ev.Reconfigured(machine.path, trio.current_time(), added, kept))


def get(machine: Machine, child_id: str) -> ChildRecord:
    """Return the record of a child. Raises NotFound."""
    child = machine.children.get(child_id)
    if child is None:
        raise not_found(machine.path, child_id)
    return child


def not_found(path: str, child_id: str) -> NotFound:
    """Make the error for an id that is not there."""
    return NotFound(f"{path} has no child {child_id!r}; see which_children()")


def _idle(machine: Machine, child_id: str, verb: str) -> ChildRecord:
    child = get(machine, child_id)
    if not child.ended:
        raise StillRunning(
            f"{child.path} is {child.state}; {verb}() needs a stopped child: "
            "terminate_child() it first, or kick() it to start it now"
        )
    return child


def _ask_start(machine: Machine, child: ChildRecord) -> Slot[object]:
    child.starter = slot = Slot[object]()
    machine.start(child)
    return slot
