"""The envelope: a hello, then requests with ids, their replies, and pushes, in both directions."""

from attrs import frozen

from hive.wire.bodies import Body
from hive.wire.harness import HarnessSettings


@frozen
class Hello:
    """First frame of the side that connects.

    `instance` names one process life of a harness; `lease` is the lease it works on, if any.
    """

    protocol: int
    role: str
    instance: str
    version: str = ""
    lease: str | None = None


@frozen
class Welcome:
    """First frame of the side that listens; `settings` only for a harness."""

    protocol: int
    settings: HarnessSettings | None = None


@frozen
class Request:
    id: int
    body: Body


@frozen
class Reply:
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
    body: Body


Frame = Hello | Welcome | Request | Reply | Failure | Push
