"""One incarnation of an actor, as those who hold its reference see it, and monitors of its end."""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio
from attrs import define, field, frozen

from hive.actors.envelopes import ActorMailbox, Call, Cast
from hive.actors.exits import Exit, Park
from hive.actors.slot import Slot
from hive.actors.timers import ActorTimers

log = logging.getLogger("hive.actors")


@frozen
class ActorDown:
    """What a monitor delivers: the incarnation that was monitored is gone.

    `incarnation` is its number, 0 when none ran. `exit` says how it ended. `park` is None unless
    the actor is parked now, which keeps its name and mailbox.
    """

    name: str
    incarnation: int
    exit: Exit
    park: Park | None = None


class Monitor:
    """A monitor, as `ActorRef.monitor` returns it: it delivers one ActorDown."""

    __slots__ = ("_deliver",)

    def __init__(self, deliver: Callable[[ActorDown], None]) -> None:
        self._deliver: Callable[[ActorDown], None] | None = deliver

    @property
    def active(self) -> bool:
        """Whether it has neither delivered nor been cancelled."""
        return self._deliver is not None

    def cancel(self) -> None:
        """Deliver nothing from now on (Erlang's demonitor)."""
        self._deliver = None

    def fire(self, down: ActorDown) -> None:
        """Deliver, the first time only. What the receiver raises is logged and harms nobody."""
        deliver, self._deliver = self._deliver, None
        if deliver is None:
            return
        try:
            deliver(down)
        except Exception:
            log.exception("a monitor of %s raised", down.name)


@define(eq=False)
class Incarnation:
    """Mailbox, timers and monitors of one incarnation; `number` counts from 1.

    `current` is the call or cast that is being handled, None if it was postponed or there is none.
    """

    name: str
    number: int
    box: ActorMailbox
    task: trio.lowlevel.Task
    current: Call | Cast | None = None
    timers: ActorTimers = field(factory=ActorTimers)
    monitors: list[Monitor] = field(factory=list)
    ended: Slot[Exit] = field(factory=Slot)
    _crowd: int = 8

    def add_monitor(self, monitor: Monitor) -> None:
        """Fire `monitor` when this incarnation ends; forgets those that were cancelled."""
        if len(self.monitors) >= self._crowd:
            self.monitors = [one for one in self.monitors if one.active]
            self._crowd = 2 * len(self.monitors) + 8
        self.monitors.append(monitor)

    def end(self, how: Exit, park: Park | None) -> None:
        """Tell all who wait for its end. `park` is None unless the actor is parked now."""
        self.ended.settle(how)
        down = ActorDown(self.name, self.number, how, park)
        for monitor in self.monitors:
            monitor.fire(down)
        self.monitors.clear()
