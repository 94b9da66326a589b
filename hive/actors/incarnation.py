"""One life of an actor, as those who hold its reference see it."""

from __future__ import annotations

from typing import Any

import trio
from attrs import define, field

from hive.actors.errors import ActorDied
from hive.actors.exits import Exit
from hive.actors.mailbox import Mailbox
from hive.actors.messages import Envelope
from hive.actors.monitors import Down, Monitor
from hive.actors.slot import Slot


@define(eq=False)
class Incarnation:
    """Mailbox, waiting callers and monitors; all are told when it ends."""

    name: str
    number: int
    box: Mailbox[Envelope]
    task: trio.lowlevel.Task
    pending: set[Slot[Any]] = field(factory=set)
    monitors: list[Monitor] = field(factory=list)
    ended: Slot[Exit] = field(factory=Slot)

    def add_monitor(self, monitor: Monitor) -> None:
        """Fire it when this life ends; forget those that were cancelled meanwhile."""
        self.monitors = [one for one in self.monitors if one.active]
        self.monitors.append(monitor)

    def end(self, how: Exit) -> None:
        """Close the mailbox, fail all calls that wait, fire all monitors."""
        self.box.close()
        for slot in self.pending:
            slot.fail(ActorDied(self.name, how))
        self.ended.settle(how)
        down = Down(self.name, self.number, how)
        for monitor in self.monitors:
            monitor.fire(down)
