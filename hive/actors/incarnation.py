"""One life of an actor, as those who hold its reference see it."""

from __future__ import annotations

import trio
from attrs import define, field

from hive.actors.exits import Exit, Park
from hive.actors.inbox import Inbox
from hive.actors.messages import Call, Cast
from hive.actors.monitors import Down, Monitor
from hive.actors.slot import Slot
from hive.actors.timers import Timers


@define(eq=False)
class Incarnation:
    """Mailbox, timers and monitors of one life."""

    name: str
    number: int
    box: Inbox
    task: trio.lowlevel.Task
    current: Call | Cast | None = None
    timers: Timers = field(factory=Timers)
    monitors: list[Monitor] = field(factory=list)
    ended: Slot[Exit] = field(factory=Slot)
    _crowd: int = 8

    def add_monitor(self, monitor: Monitor) -> None:
        """Fire it when this life ends; forget those that were cancelled meanwhile."""
        if len(self.monitors) >= self._crowd:
            self.monitors = [one for one in self.monitors if one.active]
            self._crowd = 2 * len(self.monitors) + 8
        self.monitors.append(monitor)

    def end(self, how: Exit, park: Park | None) -> None:
        """Tell all who wait for its end."""
        self.ended.settle(how)
        down = Down(self.name, self.number, how, park)
        for monitor in self.monitors:
            monitor.fire(down)
        self.monitors.clear()
