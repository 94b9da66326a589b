"""Messages: what agents and the operator send, and what becomes of it."""

from enum import StrEnum

from attrs import frozen


class MessageState(StrEnum):
    """Where a message is in its life."""

    QUEUED = "queued"
    LEASED = "leased"
    HELD = "held"
    """Given back too often without a failure of its own: waits for the operator."""
    DONE = "done"
    DEAD = "dead"


@frozen
class Message:
    """One message, as the broker keeps it; `sent_at` in epoch seconds."""

    id: int
    sender: str
    recipient: str
    body: str
    sent_at: float
    state: MessageState = MessageState.QUEUED
    in_reply_to: int | None = None
    broadcast_id: str | None = None
    attempts: int = 0
    redelivered: bool = False
    urgent: bool = False
    """May use the reserve of a budget."""
    returns: int = 0
    """How often it was given back by a limit since the operator last let it go on."""


@frozen
class Send:
    """Send `body` to an agent or the operator; the answer `Sent` comes after the commit."""

    to: str
    body: str
    in_reply_to: int | None = None
    key: str | None = None
    urgent: bool = False


@frozen
class Sent:
    id: int


@frozen
class OperatorSend:
    """A message of the operator, or (control socket only) in the name of `sender`."""

    to: str
    body: str
    sender: str = "operator"
    in_reply_to: int | None = None
    key: str | None = None
    urgent: bool = False


@frozen
class WaitReply:
    """Wait at most `wait` s for the answer to the operator's message; answered with `Awaited`."""

    message: int
    wait: float


@frozen
class GetInbox:
    """Messages to `name` (the operator's when None), newest last."""

    name: str | None = None
    limit: int = 100


@frozen
class Inbox:
    messages: tuple[Message, ...]


@frozen
class Ack:
    """The operator has read these messages of his."""

    ids: tuple[int, ...]


@frozen
class GetUndelivered:
    """The newest `limit` dead and held messages of all recipients; answered with `Inbox`."""

    limit: int = 100


@frozen
class Resolve:
    """What becomes of dead or held messages: `action` is `retry` or `drop`; answered with `Count`.

    Dropping a held message makes it dead, with a bounce; dropping a dead one, done.
    """

    ids: tuple[int, ...]
    action: str


@frozen
class GetThread:
    """All messages of the thread of message `id` that the asker may see; answered with `Inbox`."""

    id: int


@frozen
class Count:
    count: int


@frozen
class Awaited:
    """The operator's message as it is now, and its answer if there is one.

    A `question` that is dead or held gets none any more; `bounce` says why it is dead. In any other
    state the time was over, and an answer may come yet.
    """

    question: Message
    answer: Message | None = None
    bounce: Message | None = None


@frozen
class MessageSent:
    """A message was committed; `body` is cut to 2,000 characters."""

    id: int
    sender: str
    recipient: str
    body: str
    in_reply_to: int | None = None
    broadcast_id: str | None = None


@frozen
class MessageMoved:
    """Messages of one recipient changed their state, and why."""

    ids: tuple[int, ...]
    state: MessageState
    why: str = ""


FromAgent = Send | GetThread
OperatorReads = WaitReply | GetInbox | GetUndelivered | GetThread
OperatorActs = OperatorSend | Ack | Resolve
FromPage = OperatorSend | GetInbox
FromDaemon = Sent | Inbox | Count | Awaited
EventKinds = MessageSent | MessageMoved
