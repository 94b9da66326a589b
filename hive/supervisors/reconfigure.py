"""New flags and child specs for a supervisor that runs, as OTP's code_change."""

from __future__ import annotations

from collections.abc import Sequence

import trio
from attrs import evolve

from hive.supervisors import events as ev
from hive.supervisors.errors import MaxChildren, NotRunning, SpecError
from hive.supervisors.flags import Flags, check_flags
from hive.supervisors.intensity import RestartIntensity
from hive.supervisors.machine import Machine
from hive.supervisors.spec import AutoShutdown, ChildSpec, Strategy, check_specs


def changed_flags(
    flags: Flags,
    strategy: Strategy | None,
    intensity: RestartIntensity | None,
    auto_shutdown: AutoShutdown | None,
) -> Flags:
    """The flags with those changed that are given. Raises SpecError."""
    flags = evolve(
        flags,
        strategy=flags.strategy if strategy is None else strategy,
        intensity=flags.intensity if intensity is None else intensity,
        auto_shutdown=flags.auto_shutdown if auto_shutdown is None else auto_shutdown,
    )
    check_flags(flags)
    if flags.dynamic and flags.strategy is not Strategy.ONE_FOR_ONE:
        raise SpecError(f"strategy is {flags.strategy}; allowed in a dynamic one: one_for_one")
    return flags


def check_change(flags: Flags, specs: Sequence[ChildSpec] | None, machine: Machine | None) -> None:
    """Raise SpecError, MaxChildren or NotRunning before anything is changed."""
    if specs is not None and machine is None and flags.dynamic:
        raise NotRunning("a dynamic supervisor that does not run has no children; see load")
    check_specs(specs or (), auto_shutdown=flags.auto_shutdown)
    there = set() if machine is None else set(machine.children)
    count = len(there | {spec.id for spec in specs or ()})
    if specs is not None and count > flags.max_children:
        raise MaxChildren(f"{count} children; allowed: {flags.max_children:g}")


def change(machine: Machine, flags: Flags, specs: Sequence[ChildSpec] | None) -> None:
    """Apply checked values. No child is started or stopped; the next transition uses them.

    The order is that of `specs`; children that are not in it are kept, after all others.
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
