"""The actor: state that one task owns, and what it does with each message.

After Erlang's gen_server: init, handle_call, handle_cast, handle_info, terminate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import trio

from hive.actors.exits import Exit
from hive.actors.incarnation import Incarnation
from hive.actors.messages import Info
from hive.actors.monitors import Down, Monitor
from hive.actors.ref import ActorRef
from hive.actors.slot import Slot
from hive.actors.timers import Timer, start_timer


class _Deferred:
    """The type of DEFERRED."""

    def __repr__(self) -> str:
        return "DEFERRED"


DEFERRED: Final = _Deferred()
"""Returned by handle_call when the reply slot will be settled later."""


class Actor:
    """Subclass it. Handlers run one at a time; an exception in one ends the incarnation."""

    ref: ActorRef
    """The reference to this actor; set before init()."""

    helpers: trio.Nursery
    """For tasks that end with the actor, and end it when they crash; set before init()."""

    _life: Incarnation

    async def init(self) -> None:
        """Acquire what is needed; messages wait meanwhile. An exception is a failed start."""

    async def handle_call(self, message: Any, reply: Slot[Any]) -> Any:
        """Return the reply; or DEFERRED, and settle or fail `reply` at any time."""
        raise NotImplementedError(f"{type(self).__name__} handles no call: {message!r}")

    async def handle_cast(self, message: Any) -> None:
        """A message without a reply."""
        raise NotImplementedError(f"{type(self).__name__} handles no cast: {message!r}")

    async def handle_info(self, message: Any) -> None:
        """A Down, or what a timer sends; unexpected ones are ignored."""

    async def terminate(self, how: Exit) -> None:
        """Release what init() acquired; shielded, within the host's `terminate_within`."""

    def status(self) -> object:
        """What a probe shows of the state; the default is all attributes that are not private."""
        return {
            name: value
            for name, value in vars(self).items()
            if not name.startswith("_") and name not in ("ref", "helpers")
        }

    # -- what an actor can use -----------------------------------------------------------------

    def send_after(self, delay: float, message: object) -> Timer:
        """Get `message` by handle_info in `delay` seconds."""
        return start_timer(self.helpers, self._inform(message), delay)

    def send_every(self, period: float, message: object) -> Timer:
        """Get `message` by handle_info each `period` seconds; late ones are not made up for."""
        return start_timer(self.helpers, self._inform(message), period, repeat=True)

    def monitor(self, other: ActorRef) -> Monitor:
        """Get a Down by handle_info, once, when the other's present incarnation ends."""
        life = self._life

        def deliver(down: Down) -> None:
            if not life.ended.settled:
                life.box.put_system(Info(down))

        return other.monitor(deliver)

    def bind(self, ref: ActorRef, life: Incarnation, helpers: trio.Nursery) -> None:
        """For the host only."""
        self.ref, self._life, self.helpers = ref, life, helpers

    def _inform(self, message: object) -> Callable[[], None]:
        life = self._life
        return lambda: life.box.put_system(Info(message))
