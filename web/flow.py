"""The newest messages, each with the state that the broker last published."""

from collections.abc import Iterable
from typing import Any

from attrs import evolve, frozen

from hive.wire.codec import flat
from hive.wire.events import LiveEvent
from hive.wire.messages import MessageMoved, MessageSent, MessageState


@frozen
class Passage:
    """A message on its way: the event that sent it, its state, and why it is in that state."""

    sent: LiveEvent
    state: MessageState = MessageState.QUEUED
    why: str = ""

    def flat(self) -> dict[str, Any]:
        return flat(self.sent) | {"state": self.state.value, "why": self.why}


class Flow:
    """The newest `size` messages by id, folded from events."""

    def __init__(self, size: int = 100) -> None:
        self._size = size
        self._passages: dict[int, Passage] = {}

    def fold(self, events: Iterable[LiveEvent]) -> None:
        for live in events:
            match live.event:
                case MessageSent(id=id_):
                    self._passages[id_] = Passage(live)
                    if len(self._passages) > self._size:
                        del self._passages[next(iter(self._passages))]
                case MessageMoved(ids=ids, state=state, why=why):
                    for id_ in self._passages.keys() & set(ids):
                        self._passages[id_] = evolve(self._passages[id_], state=state, why=why)

    def messages(self) -> list[dict[str, Any]]:
        """`{seq, at, agent, kind, id, sender, …, state, why}`, oldest first."""
        return [passage.flat() for passage in self._passages.values()]
