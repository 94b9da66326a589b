"""Links: requests, replies and pushes between two processes, over a websocket on a unix socket."""

from hive.link.client import connect
from hive.link.errors import LinkClosed, LinkError, LinkRefused, RefuseHello, RemoteError
from hive.link.limits import LinkLimits
from hive.link.peer import Peer, Session
from hive.link.server import Accept, serve
from hive.link.unix import Credentials, bind, listener_credentials

__all__ = [
    "Accept",
    "Credentials",
    "LinkClosed",
    "LinkError",
    "LinkLimits",
    "LinkRefused",
    "Peer",
    "RefuseHello",
    "RemoteError",
    "Session",
    "bind",
    "connect",
    "listener_credentials",
    "serve",
]
