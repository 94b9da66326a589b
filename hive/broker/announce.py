"""What the operator gets to see of a change."""

from hive.broker.lifecycle import HIVE, Change
from hive.wire import OPERATOR, Event, Message, MessageMoved, MessageSent, MessageState

_SHOWN = 2_000


def announce(change: Change) -> list[tuple[str | None, Event]]:
    """The events of a change, each with the agent that it is filed under.

    That is the recipient, or the sender of what goes to the operator, or nobody when the hive
    itself writes to the operator.
    """
    events: list[tuple[str | None, Event]] = []
    moved: dict[tuple[str | None, MessageState], list[int]] = {}
    for move in change.moves:
        agent = _filed_under(move.message)
        if move.before is None:
            events.append((agent, _sent(move.message)))
        else:
            moved.setdefault((agent, move.message.state), []).append(move.message.id)
    for (agent, state), ids in moved.items():
        events.append((agent, MessageMoved(tuple(ids), state, change.why)))
    return events


def _filed_under(message: Message) -> str | None:
    if message.recipient != OPERATOR:
        return message.recipient
    return None if message.sender in (OPERATOR, HIVE) else message.sender


def _sent(message: Message) -> MessageSent:
    return MessageSent(
        message.id,
        message.sender,
        message.recipient,
        message.body[:_SHOWN],
        message.in_reply_to,
        message.broadcast_id,
    )
