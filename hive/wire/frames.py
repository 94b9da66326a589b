"""The envelope: a hello, then requests with ids, their replies, and pushes, in both directions."""

from attrs import frozen

from hive.wire.bodies import Body
from hive.wire.harness import HarnessSettings


@frozen
class Hello:
    """First frame of the side that connects."""

    protocol: int
    """PROTOCOL of its code; another one than the daemon's is refused."""
    role: str
    """What it is: `harness`, `operator` or `web`; each socket is for one role."""
    instance: str
    """A name of this one process, by which a harness that comes back is told from a new one."""
    version: str = ""
    lease: str | None = None
    """The lease that a harness works on; None: it holds none."""


@frozen
class Welcome:
    """First frame of the side that listens; `settings` only for a harness."""

    protocol: int
    settings: HarnessSettings | None = None


@frozen
class Request:
    """A request; its `id` is unique among those of its sender on this connection."""

    id: int
    body: Body


@frozen
class Reply:
    """The answer to the request with this `id`."""

    id: int
    body: Body


@frozen
class Failure:
    """A request failed (the connection, if `id` is None); `code` is stable, `message` is prose."""

    id: int | None
    code: str
    message: str


@frozen
class Push:
    """What is told without being asked, and is not answered."""

    body: Body


Frame = Hello | Welcome | Request | Reply | Failure | Push
