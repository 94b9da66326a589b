"""Why something is refused that an agent or the operator asks for; other parts add theirs.

`code` is stable, the text is for whoever asked.
"""


class BrokerError(Exception):
    """What was asked for is refused; nothing was stored."""

    code = "refused"


class UnknownRecipient(BrokerError):
    """Nobody has that name."""

    code = "unknown_recipient"


class BodyTooLarge(BrokerError):
    """The body is over the cap."""

    code = "body_too_large"


class BadMessage(BrokerError):
    """A field of the message cannot be."""

    code = "bad_message"


class NotAllowed(BrokerError):
    """The sender has not the right to write to that recipient."""

    code = "not_allowed_recipient"


class TooManyBroadcasts(BrokerError):
    """The sender must wait before it may send to everybody again."""

    code = "too_many_broadcasts"


class NotUrgent(BrokerError):
    """The message may be sent, but not as an urgent one."""

    code = "not_urgent"


class BadLine(BrokerError):
    """A status line, a label or a reason is empty or too long to be shown."""

    code = "bad_line"
