"""What the operator can ask about a failure later: its full report, and the history of its path.

It is filled by the events themselves, so it knows as much as the newest events that were kept.
"""

from collections import OrderedDict, deque

from attrs import define, field

from hive.wire.events import Event
from hive.wire.tree import Happening, Supervision

MOST_PATHS = 512
"""A container can report any paths: beyond these the ones with the oldest events are forgotten."""

HISTORY_LENGTH = 32
"""Events that are remembered of each path, as many as a supervisor remembers of a child."""


@define
class _Known:
    report: str = ""
    history: deque[Happening] = field(factory=lambda: deque(maxlen=HISTORY_LENGTH))


class Incidents:
    """The last failure and the last events at each path of the whole tree."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def record(self, event: Event, at: float) -> None:
        """Remember the event if it is a supervisor's; `at` in epoch seconds."""
        if not isinstance(event, Supervision):
            return
        known = self._known.setdefault(event.path, _Known())
        self._known.move_to_end(event.path)
        known.report = event.report or known.report
        known.history.append(Happening(at, event.event, 0, event.text))
        if len(self._known) > MOST_PATHS:
            self._known.popitem(last=False)

    def report(self, path: str) -> str:
        """The last failure at `path` in full; empty when none is known."""
        known = self._known.get(path)
        return known.report if known else ""

    def history(self, path: str) -> tuple[Happening, ...]:
        """The newest events at `path`, oldest first."""
        known = self._known.get(path)
        return tuple(known.history) if known else ()
