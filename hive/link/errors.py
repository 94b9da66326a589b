"""How links fail, for the side that asks, the side that answers and the side that connects."""


class LinkError(Exception):
    """Raise it in `Session.handle` to fail a request with a stable code and prose.

    The side that asked gets them as RemoteError; the link goes on.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"


class RefuseHello(LinkError):
    """Raise it in `accept` to refuse a connection; the side that connects gets LinkRefused."""


class RemoteError(LinkError):
    """The other side answered a request with a failure: a stable `code` and prose."""


class LinkRefused(LinkError):
    """The side that listens refused the hello: a stable `code` and prose."""


class LinkClosed(ConnectionError):
    """The link is gone; the text says why. An OSError, like a connection that cannot be made."""


class Violation(Exception):
    """The peer broke the protocol so that the connection must end: a failure's code and text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
