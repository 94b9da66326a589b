"""The events of a change, by which the operator sees it."""

from hive.broker.lifecycle import HIVE, Change
from hive.wire.bounds import EVENT_TEXT
from hive.wire.daemon import Notice
from hive.wire.events import Event
from hive.wire.messages import Message, MessageMoved, MessageSent, MessageState
from hive.wire.names import OPERATOR


def events_of(change: Change) -> list[tuple[str | None, Event]]:
    """Return the events of a change, each with the agent under whose name it is shown.

    That is the recipient, or the sender of what goes to the operator, or nobody when the hive
    itself writes to the operator.
    """
    events: list[tuple[str | None, Event]] = []
    moved: dict[tuple[str | None, MessageState], list[Message]] = {}
    for move in change.moves:
        agent = _filed_under(move.message)
        if move.before is None:
            events.append((agent, _sent(move.message)))
        else:
            moved.setdefault((agent, move.message.state), []).append(move.message)
    for (agent, state), messages in moved.items():
        ids = tuple(message.id for message in messages)
        events.append((agent, MessageMoved(ids, state, change.why)))
        if state is MessageState.HELD:
            events.append((agent, Notice(_waits(messages, change.why))))
    return events


def _waits(held: list[Message], why: str) -> str:
    """One line about messages of one recipient that nothing but the operator moves any more."""
    ids, first = [str(message.id) for message in held], held[0]
    some = "message" if len(held) == 1 else "messages"
    waits, it_was = ("waits", "it was") if len(held) == 1 else ("wait", "each was")
    arguments = " ".join(ids)
    return (
        f"{some} {', '.join(ids)} to {first.recipient} {waits} for you: {it_was} returned "
        f"{first.returns} times (last: {why or 'unknown'}); "
        f"hive retry {arguments} or hive drop {arguments}"
    )


def _filed_under(message: Message) -> str | None:
    if message.recipient != OPERATOR:
        return message.recipient
    return None if message.sender in (OPERATOR, HIVE) else message.sender


def _sent(message: Message) -> MessageSent:
    return MessageSent(
        message.id,
        message.sender,
        message.recipient,
        message.body[:EVENT_TEXT],
        message.in_reply_to,
        message.broadcast_id,
    )
