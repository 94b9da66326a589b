"""The newest messages, each with the state that the broker last published."""

from collections.abc import Iterable
from typing import Any

from attrs import evolve, frozen

from hive.wire.codec import flat
from hive.wire.events import LiveEvent
from hive.wire.messages import MessageMoved, MessageSent, MessageState


@frozen
class RecentMessage:
    """A message: the event that sent it, its state, and why it is in that state."""

    sent: LiveEvent
    state: MessageState = MessageState.QUEUED
    why: str = ""

    def flat(self) -> dict[str, Any]:
        """Return the fields of the event that sent it, with `state` and `why`."""
        return flat(self.sent) | {"state": self.state.value, "why": self.why}


class RecentMessages:
    """The newest `size` messages by id, folded from events."""

    def __init__(self, size: int = 100) -> None:
        self._size = size
        self._messages: dict[int, RecentMessage] = {}

    def fold(self, events: Iterable[LiveEvent]) -> None:
        """Take up the messages that these events sent, and the states that they moved others to."""
        for live in events:
            match live.event:
                case MessageSent(id=id_):
                    self._messages[id_] = RecentMessage(live)
                    if len(self._messages) > self._size:
                        del self._messages[next(iter(self._messages))]
                case MessageMoved(ids=ids, state=state, why=why):
                    for id_ in self._messages.keys() & set(ids):
                        self._messages[id_] = evolve(self._messages[id_], state=state, why=why)

    def flat(self) -> list[dict[str, Any]]:
        """Return each as `{seq, at, agent, kind, id, sender, …, state, why}`, oldest first."""
        return [message.flat() for message in self._messages.values()]
