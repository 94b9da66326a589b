"""What the operator can ask about a failure afterwards: its full report, and a harness's history.

Filled by the events themselves, so it knows as much as the newest events that were kept.
"""

from collections import OrderedDict, deque

from attrs import define, field

from hive.wire.events import Event
from hive.wire.tree import Happening, Supervision

PATHS = 512
"""The paths in a container are its own invention: the oldest are forgotten."""
LENGTH = 32


@define
class _Known:
    report: str = ""
    past: deque[Happening] = field(factory=lambda: deque(maxlen=LENGTH))


class Incidents:
    """The last failure and the last events at each path of the whole tree."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def take(self, event: Event, at: float) -> None:
        """Remember a supervisor's event; `at` in epoch seconds."""
        if not isinstance(event, Supervision):
            return
        known = self._known.setdefault(event.path, _Known())
        self._known.move_to_end(event.path)
        known.report = event.report or known.report
        known.past.append(Happening(at, event.event, 0, event.text))
        if len(self._known) > PATHS:
            self._known.popitem(last=False)

    def report(self, path: str) -> str:
        """The last failure there in full, or nothing."""
        known = self._known.get(path)
        return known.report if known else ""

    def history(self, path: str) -> tuple[Happening, ...]:
        """What happened there, oldest first."""
        known = self._known.get(path)
        return tuple(known.past) if known else ()
