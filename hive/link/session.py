"""What one side of a link does with what the other side says."""

from typing import TYPE_CHECKING, Any

from hive.link.errors import LinkError
from hive.wire import PROTOCOL, Body, Welcome

if TYPE_CHECKING:
    from hive.link.peer import Peer


class Session:
    """Override what you need; as it is, a session allows nothing.

    `requests` and `pushes` are the wire classes (a class or a union) that the peer may send.
    """

    welcome: Welcome = Welcome(PROTOCOL)
    requests: Any = None
    pushes: Any = None

    async def handle(self, peer: "Peer", body: Body) -> Body:
        """Answer one request, beside others; raise LinkError(code, message) to fail it.

        Cancelled when the link closes. Any other exception is logged and answered `internal`.
        """
        raise LinkError("not_allowed", "nothing can be asked here")

    def pushed(self, peer: "Peer", body: Body) -> None:
        """Take one push, in the order they were sent. Must not block: it runs in the reader."""

    async def run(self, peer: "Peer") -> None:
        """Runs beside the link and is cancelled when it closes; raising closes the link."""

    def closed(self, peer: "Peer") -> None:
        """Called once when the link is gone; `peer.reason` says why."""
