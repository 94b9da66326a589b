"""Where the incarnations of an actor live, one after the other, and what is left between them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from hive.actors.errors import ActorDied, NoActor, Parked
from hive.actors.exits import Exit, Park
from hive.actors.inbox import Inbox
from hive.actors.incarnation import Incarnation

log = logging.getLogger("hive.actors")


def never(_: object) -> bool:
    """No message unparks."""
    return False


class Place:
    """Either an incarnation is `live`; or it is vacant; or `park` keeps it, with its mailbox."""

    __slots__ = ("_box", "_heirs", "_make_box", "_unpark", "_unparked_by", "live", "name", "park")

    def __init__(
        self, name: str, make_box: Callable[[], Inbox], unparked_by: Callable[[object], bool]
    ) -> None:
        self.name = name
        self.live: Incarnation | None = None
        self.park: Park | None = None
        self._make_box = make_box
        self._box: Inbox | None = None  # while parked
        self._unparked_by = unparked_by
        self._unpark: Callable[[], None] | None = None
        self._heirs: list[Callable[[], None]] = []

    def inbox(self) -> Inbox:
        """The mailbox of the next incarnation: a parked one's, or a new one."""
        return self._make_box() if self._box is None else self._box

    def enter(self, life: Incarnation) -> None:
        """A new incarnation; raises RuntimeError while another one lives."""
        if self.live is not None:
            raise RuntimeError(f"{self.name} runs already; make one host for each place")
        self.live, self.park, self._box = life, None, None

    def leave(
        self, life: Incarnation, how: Exit, park: Park | None, unpark: Callable[[], None]
    ) -> None:
        """The incarnation is gone; `park` if its place is kept, until enter() or give_up().

        A message may unpark only who parked itself: an operator's park, and one that follows
        crashes, are not for senders to end.
        """
        self.live = None
        if park is None:
            life.box.end(partial(ActorDied, self.name, how))
            self._vacate()
        else:
            self._box = life.box
            self.keep(park, unpark if how.park is not None else None)
        life.end(how, park)

    def keep(self, park: Park, unpark: Callable[[], None] | None = None) -> None:
        """Parked from now on; on other terms, if it was before.

        Refuses all calls that wait, also those that were to end the park of before.
        """
        if self.live is None:
            self._box = box = self.inbox()
            self.park = park
            self._unpark = unpark
            box.park(partial(Parked, self.name, park))

    def give_up(self) -> None:
        """The park ended, and no incarnation follows."""
        if self._box is None:
            return
        box, self._box, self.park = self._box, None, None
        box.end(partial(NoActor, f"{self.name} was stopped while it was parked"))
        self._vacate()

    def on_vacant(self, call: Callable[[], None]) -> None:
        """Call it once, when nobody lives here and nobody is expected back; it must not raise."""
        self._heirs.append(call)

    def inbox_while_away(self, message: object, *, is_call: bool) -> Inbox:
        """Where a message goes while no incarnation lives. Raises NoActor; Parked for a call."""
        if self._box is None or self.park is None:
            raise NoActor(f"no incarnation of {self.name} runs now; monitor it or try later")
        if self._unpark is not None and self._is_awaited(message):
            self._unpark()
        elif is_call:
            raise Parked(self.name, self.park)
        return self._box

    def _is_awaited(self, message: object) -> bool:
        try:
            return self._unparked_by(message)
        except Exception:
            log.exception("unparked_by of %s raised", self.name)
            return False

    def _vacate(self) -> None:
        heirs, self._heirs = self._heirs, []
        for call in heirs:
            call()
