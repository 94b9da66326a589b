"""What an actor is between its incarnations: running, parked with its mailbox, or not there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from hive.actors.envelopes import ActorMailbox
from hive.actors.errors import ActorDied, ActorParked, NoActor
from hive.actors.exits import Exit, Park
from hive.actors.incarnation import Incarnation

log = logging.getLogger("hive.actors")


def never(_: object) -> bool:
    """Unpark by no message: the default of ActorHost's `unparked_by`."""
    return False


class ActorCell:
    """What all incarnations of one actor share; its host changes it, its references read it.

    Either an incarnation is `live`; or `park` keeps the mailbox for the next one; or both are None
    and the cell is vacant.
    """

    __slots__ = (
        "_box",
        "_make_mailbox",
        "_unpark",
        "_unparked_by",
        "_when_vacant",
        "live",
        "name",
        "park",
    )

    def __init__(
        self,
        name: str,
        make_mailbox: Callable[[], ActorMailbox],
        unparked_by: Callable[[object], bool],
    ) -> None:
        self.name = name
        self.live: Incarnation | None = None
        self.park: Park | None = None
        self._make_mailbox = make_mailbox
        self._box: ActorMailbox | None = None  # while parked
        self._unparked_by = unparked_by
        self._unpark: Callable[[], None] | None = None
        self._when_vacant: list[Callable[[], None]] = []

    def next_mailbox(self) -> ActorMailbox:
        """Return the mailbox for the next incarnation: the parked one, or else a new one."""
        return self._make_mailbox() if self._box is None else self._box

    def enter(self, incarnation: Incarnation) -> None:
        """Make an incarnation the live one. Raises RuntimeError while another one lives."""
        if self.live is not None:
            raise RuntimeError(f"{self.name} runs already; make one host for each place")
        self.live, self.park, self._box = incarnation, None, None

    def leave(
        self, incarnation: Incarnation, how: Exit, park: Park | None, unpark: Callable[[], None]
    ) -> None:
        """Record that the live incarnation is gone, and tell all who wait for that.

        `park` keeps the mailbox until enter() or give_up(); None ends it. A message may end only a
        park that the actor raised itself: an operator's park, and one that follows crashes, are
        not for senders to end.
        """
        self.live = None
        if park is None:
            incarnation.box.end(partial(ActorDied, self.name, how))
            self._vacate()
        else:
            self._box = incarnation.box
            self.keep(park, unpark if how.park is not None else None)
        incarnation.end(how, park)

    def keep(self, park: Park, unpark: Callable[[], None] | None = None) -> None:
        """Park the actor from now on, or replace the park in which it is.

        All calls that wait get ActorParked, also those that were to end the former park. `unpark`
        ends this park when an awaited message comes; None: no message does. Does nothing while an
        incarnation lives.
        """
        if self.live is None:
            self._box = box = self.next_mailbox()
            self.park = park
            self._unpark = unpark
            box.park(partial(ActorParked, self.name, park))

    def give_up(self) -> None:
        """End a park that no incarnation follows: those who wait get NoActor."""
        if self._box is None:
            return
        box, self._box, self.park = self._box, None, None
        box.end(partial(NoActor, f"{self.name} was stopped while it was parked"))
        self._vacate()

    def on_vacant(self, call: Callable[[], None]) -> None:
        """Call `call` once, as soon as no incarnation lives and none is kept by a park.

        It must neither block nor raise.
        """
        self._when_vacant.append(call)

    def mailbox_while_parked(self, message: object, *, is_call: bool) -> ActorMailbox:
        """Return the mailbox of the parked actor; a message that it awaits ends the park.

        Raises NoActor if it is not parked, and ActorParked for a call that does not end the park.
        """
        if self._box is None or self.park is None:
            raise NoActor(f"no incarnation of {self.name} runs now; monitor it or try later")
        if self._unpark is not None and self._is_awaited(message):
            self._unpark()
        elif is_call:
            raise ActorParked(self.name, self.park)
        return self._box

    def _is_awaited(self, message: object) -> bool:
        try:
            return self._unparked_by(message)
        except Exception:
            log.exception("unparked_by of %s raised", self.name)
            return False

    def _vacate(self) -> None:
        waiting, self._when_vacant = self._when_vacant, []
        for call in waiting:
            call()
