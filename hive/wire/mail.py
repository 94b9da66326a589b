"""Requests about messages that there are already: who may see which, and what becomes of them."""

from attrs import frozen

from hive.wire.model import Message


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
