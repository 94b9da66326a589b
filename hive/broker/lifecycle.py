"""The states of a message: queued → leased → done, or back to queued, held, or dead. Pure.

What failed too often is dead. What a limit (or a login, an overload, a budget) has sent back too
often is held: it did nothing wrong, so the operator decides. He may retry or drop both.

`redelivered` has the meaning of AMQP 0-9-1's flag: set whenever a lease ended without an ack, for
whatever reason (holder gone, failed turn, limit), because the agent may have seen the message.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from attrs import evolve, field, frozen

from hive.broker.draft import Draft
from hive.wire.messages import Message, MessageState
from hive.wire.names import OPERATOR

HIVE = "hive"
"""The sender of bounces; never an agent's name."""

DROPPED = "was dropped by the operator and will not be delivered again."
"""What a bounce says of a message that waited for the operator."""

DESTROYED = "was not done: its recipient was destroyed."
"""What a bounce says of a message to an agent that is no more."""

UNDELIVERED = frozenset({MessageState.HELD, MessageState.DEAD})
"""States that only the operator ends."""

_QUOTED = 500


@frozen
class Move:
    """One message changed its state; `before` is None for a new one."""

    message: Message
    before: MessageState | None


@frozen
class Change:
    """All that one transaction did, in its order, and why."""

    moves: tuple[Move, ...] = ()
    why: str = ""


@frozen
class Counts:
    """How many messages of one recipient are in each state that somebody must look at.

    `urgent` of those that are queued may use the reserve of a budget.
    """

    queued: int = 0
    leased: int = 0
    dead: int = 0
    held: int = 0
    urgent: int = 0


NOTHING = Counts()


@frozen
class Returned:
    """What became of the messages of a lease that ended without an ack: their ids."""

    queued: tuple[int, ...] = field(default=())
    dead: tuple[int, ...] = field(default=())
    held: tuple[int, ...] = field(default=())


def leased(message: Message) -> Move:
    """The move of a message that a holder takes."""
    return Move(evolve(message, state=MessageState.LEASED), message.state)


def acknowledged(message: Message) -> Move:
    """The move of a message that has been worked on."""
    return Move(evolve(message, state=MessageState.DONE), message.state)


def returned(message: Message, *, count: bool, max_attempts: int) -> Move:
    """The move of a message whose lease ended without an ack.

    With `count` this was a failed attempt; after the `max_attempts`-th one it is dead.
    """
    attempts = message.attempts + count
    state = MessageState.DEAD if attempts >= max_attempts else MessageState.QUEUED
    after = evolve(message, state=state, attempts=attempts, redelivered=True)
    return Move(after, message.state)


def returned_by_limit(message: Message, *, max_redeliveries: int) -> Move:
    """The move of a message whose lease a limit has ended.

    After `max_redeliveries` of them it is held: it waits for the operator.
    """
    returns = message.returns + 1
    state = MessageState.HELD if returns > max_redeliveries else MessageState.QUEUED
    after = evolve(message, state=state, returns=returns, redelivered=True)
    return Move(after, message.state)


def retried(message: Message) -> Move | None:
    """The move of a message that the operator queues anew; None if it is neither dead nor held."""
    if message.state not in UNDELIVERED:
        return None
    after = evolve(message, state=MessageState.QUEUED, attempts=0, returns=0)
    return Move(after, message.state)


def dropped(message: Message) -> Move | None:
    """The move of a message that the operator gives up; None if it is neither held nor dead.

    What is held becomes dead, what is dead becomes done.
    """
    match message.state:
        case MessageState.HELD:
            return Move(evolve(message, state=MessageState.DEAD), message.state)
        case MessageState.DEAD:
            return acknowledged(message)
    return None


def recipient_gone(message: Message) -> Move:
    """The move of a message whose recipient is no more."""
    return Move(evolve(message, state=MessageState.DEAD), message.state)


def failed_too_often(dead: Message, why: str) -> str:
    """What a bounce says of a message that failed too often."""
    return (
        f"was given up after {dead.attempts} failed attempts and will not be delivered again. "
        f"Last failure: {why or 'unknown'}"
    )


def bounce(dead: Message, end: str, recipients: Collection[str]) -> Draft | None:
    """The message that tells the sender of the end (the operator if the sender is gone).

    None if `dead` is a bounce itself. `end` says how it ended.
    """
    if dead.sender == HIVE:
        return None
    text = f"Your message {dead.id} to {dead.recipient} {end}\nIt began:\n{dead.body[:_QUOTED]}"
    known = dead.sender == OPERATOR or dead.sender in recipients
    return Draft(HIVE, dead.sender if known else OPERATOR, text, in_reply_to=dead.id)


def ids_in(moves: Iterable[Move], state: MessageState) -> tuple[int, ...]:
    """The ids of the messages that were moved (not sent) into `state`."""
    return tuple(m.message.id for m in moves if m.before and m.message.state is state)


def returned_ids(moves: Sequence[Move]) -> Returned:
    """The ids that were queued, dead or held when a lease ended without an ack."""
    states = (MessageState.QUEUED, MessageState.DEAD, MessageState.HELD)
    return Returned(*(ids_in(moves, state) for state in states))


def recount(counts: Mapping[str, Counts], moves: Iterable[Move]) -> dict[str, Counts]:
    """The counts of all recipients that the moves touch, after them."""
    touched: dict[str, Counts] = {}
    for move in moves:
        name = move.message.recipient
        now = touched.get(name) or counts.get(name, NOTHING)
        urgent = move.message.urgent
        now = _shift(_shift(now, move.before, urgent, -1), move.message.state, urgent, +1)
        touched[name] = now
    return touched


def _shift(counts: Counts, state: MessageState | None, urgent: bool, by: int) -> Counts:
    queued, leased, dead, held = counts.queued, counts.leased, counts.dead, counts.held
    match state:
        case MessageState.QUEUED:
            return Counts(queued + by, leased, dead, held, counts.urgent + by * urgent)
        case MessageState.LEASED:
            return Counts(queued, leased + by, dead, held, counts.urgent)
        case MessageState.DEAD:
            return Counts(queued, leased, dead + by, held, counts.urgent)
        case MessageState.HELD:
            return Counts(queued, leased, dead, held + by, counts.urgent)
        case _:
            return counts
