"""What callers may ask of a running supervisor. All synchronous; waiting is the caller's."""

from __future__ import annotations

import trio

from hive.actors.exits import Park
from hive.actors.slot import Slot
from hive.supervisors import events as ev
from hive.supervisors.child import After, Child
from hive.supervisors.errors import AlreadyPresent, MaxChildren, NotFound, StillRunning
from hive.supervisors.machine import Machine
from hive.supervisors.policy import History
from hive.supervisors.spec import ChildSpec, Restart
from hive.supervisors.tree import State


def add(machine: Machine, spec: ChildSpec) -> Slot[object]:
    """A new child at the end of the order; the slot is settled when it is ready."""
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
    """Start a stopped child again."""
    child = _idle(machine, child_id, "restart_child")
    child.retry_start = False
    return _ask_start(machine, child)


def delete(machine: Machine, child_id: str) -> None:
    """Forget a stopped child."""
    machine.forget(_idle(machine, child_id, "delete_child"))


def terminate(machine: Machine, child_id: str) -> Child:
    """Order a child to stop; wait for `gone` afterwards."""
    child = get(machine, child_id)
    forget = machine.flags.dynamic or child.spec.restart is Restart.TEMPORARY
    machine.order_end(child, After.FORGET if forget else After.STOP, "terminated")
    return child


def kick(machine: Machine, child_id: str) -> None:
    """Stop it if it runs, and start it now, whatever it waits for."""
    child = get(machine, child_id)
    child.history = History()
    if child.queued:
        machine.start_queued_now()
    else:
        machine.order_end(child, After.START, "kicked")


def park(machine: Machine, child_id: str, reason: str, until: float | None) -> None:
    """Stop it if it runs, and park it."""
    child = get(machine, child_id)
    child.park = Park(reason, until)
    machine.order_end(child, After.PARK, f"parked: {reason}")


def unpark(machine: Machine, child_id: str) -> None:
    """Start a parked child; nothing happens to one that is not parked."""
    child = get(machine, child_id)
    if child.after is After.PARK:
        child.after = After.START
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
    """Let it go on; nothing happens to one that is not suspended."""
    child = get(machine, child_id)
    if child.suspended:
        child.suspended = False
        machine.incarnations.emit(ev.Resumed(child.path, trio.current_time()), child)
        if child.ctx is not None:
            child.ctx.resume()


def get(machine: Machine, child_id: str) -> Child:
    """The record of a child; raises NotFound."""
    child = machine.children.get(child_id)
    if child is None:
        raise not_found(machine.path, child_id)
    return child


def not_found(path: str, child_id: str) -> NotFound:
    """The error for an id that is not there."""
    return NotFound(f"{path} has no child {child_id!r}; see which_children()")


def _idle(machine: Machine, child_id: str, verb: str) -> Child:
    child = get(machine, child_id)
    if not child.ended:
        raise StillRunning(
            f"{child.path} is {child.state}; {verb}() needs a stopped child: "
            "terminate_child() it first, or kick() it to start it now"
        )
    return child


def _ask_start(machine: Machine, child: Child) -> Slot[object]:
    child.starter = slot = Slot[object]()
    machine.start(child)
    return slot
