"""A message's life as functions of values: queued → leased → done, back to queued, or dead.

`redelivered` has the meaning of AMQP 0-9-1's flag: set whenever a lease ended without an ack, for
whatever reason (holder gone, failed turn, limit), because the agent may have seen the message.
"""

from collections.abc import Collection, Iterable, Mapping

from attrs import evolve, field, frozen

from hive.broker.draft import Draft
from hive.wire import OPERATOR, Message, MessageState

HIVE = "hive"
"""The sender of bounces; never an agent's name."""

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
    """How many messages of one recipient are in each state that somebody must look at."""

    queued: int = 0
    leased: int = 0
    dead: int = 0


NOTHING = Counts()


@frozen
class Returned:
    """What became of the messages of a lease that ended without an ack: their ids."""

    queued: tuple[int, ...] = field(default=())
    dead: tuple[int, ...] = field(default=())


def leased(message: Message) -> Move:
    """A holder took it."""
    return Move(evolve(message, state=MessageState.LEASED), message.state)


def acknowledged(message: Message) -> Move:
    """It was worked on."""
    return Move(evolve(message, state=MessageState.DONE), message.state)


def returned(message: Message, *, count: bool, max_attempts: int) -> Move:
    """Its lease ended without an ack; the `max_attempts`-th counted time it is dead."""
    attempts = message.attempts + count
    state = MessageState.DEAD if attempts >= max_attempts else MessageState.QUEUED
    after = evolve(message, state=state, attempts=attempts, redelivered=True)
    return Move(after, message.state)


def bounce(dead: Message, why: str, recipients: Collection[str]) -> Draft | None:
    """What to tell the sender (the operator if it is gone); None if `dead` is a bounce itself."""
    if dead.sender == HIVE:
        return None
    text = (
        f"Your message {dead.id} to {dead.recipient} was given up after {dead.attempts} failed "
        f"attempts and will not be delivered again. Last failure: {why or 'unknown'}\n"
        f"It began:\n{dead.body[:_QUOTED]}"
    )
    known = dead.sender == OPERATOR or dead.sender in recipients
    return Draft(HIVE, dead.sender if known else OPERATOR, text, in_reply_to=dead.id)


def recount(counts: Mapping[str, Counts], moves: Iterable[Move]) -> dict[str, Counts]:
    """The counts of all recipients that the moves touch, after them."""
    touched: dict[str, Counts] = {}
    for move in moves:
        name = move.message.recipient
        now = touched.get(name) or counts.get(name, NOTHING)
        now = _shift(_shift(now, move.before, -1), move.message.state, +1)
        touched[name] = now
    return touched


def _shift(counts: Counts, state: MessageState | None, by: int) -> Counts:
    match state:
        case MessageState.QUEUED:
            return Counts(counts.queued + by, counts.leased, counts.dead)
        case MessageState.LEASED:
            return Counts(counts.queued, counts.leased + by, counts.dead)
        case MessageState.DEAD:
            return Counts(counts.queued, counts.leased, counts.dead + by)
        case _:
            return counts
