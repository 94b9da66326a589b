"""Messages: what agents and the operator send, and what becomes of it."""

from enum import StrEnum

from attrs import frozen


class MessageState(StrEnum):
    """Where a message is in its life."""

    QUEUED = "queued"
    LEASED = "leased"
    HELD = "held"
    """Limits gave it back too often: it waits for the operator."""
    DONE = "done"
    """Its reader's turn completed."""
    DEAD = "dead"
    """It was given up, and its sender told by a bounce."""


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
    """The message that it answers, of which this reader may know; None: none."""
    broadcast_id: str | None = None
    """The same for all messages of one broadcast; None: it is none."""
    attempts: int = 0
    """Turns on it that failed; the fifth makes it dead."""
    redelivered: bool = False
    """Whether an earlier turn had it and did not complete."""
    urgent: bool = False
    """Whether it may use the reserve of a budget."""
    returns: int = 0
    """How often a limit gave it back since the operator last let it go on."""


@frozen
class Send:
    """Send `body` to an agent, the operator or EVERYBODY; answered with `Sent` after the commit.

    The same `key` again within a day sends nothing and gives the first id.
    """

    to: str
    body: str
    in_reply_to: int | None = None
    key: str | None = None
    urgent: bool = False


@frozen
class Sent:
    """The id of a message or question that is stored for good."""

    id: int


@frozen
class OperatorSend:
    """Send as the operator, or on the operator's own socket in the name of an agent.

    Otherwise like `Send`.
    """

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
    """The newest `limit` messages to `name` (None: to the operator); answered with `Inbox`."""

    name: str | None = None
    limit: int = 100


@frozen
class Inbox:
    """Messages, oldest first."""

    messages: tuple[Message, ...]


@frozen
class Ack:
    """Mark messages to the operator as read; answered with `Count`."""

    ids: tuple[int, ...]


@frozen
class GetUndelivered:
    """The newest `limit` dead and held messages of all recipients; answered with `Inbox`."""

    limit: int = 100


@frozen
class Resolve:
    """Decide on dead or held messages: `action` is `retry` or `drop`; answered with `Count`.

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
    """How many messages were changed."""

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
    """A message was committed; `body` is cut to EVENT_TEXT characters."""

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
