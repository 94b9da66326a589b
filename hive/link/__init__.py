"""A link: requests, replies and pushes between two processes, a websocket on a unix socket."""

from hive.link.client import connect, keep_connected
from hive.link.errors import LinkClosed, LinkError, LinkRefused, Refuse, RemoteError
from hive.link.limits import Limits
from hive.link.peer import Peer, Session
from hive.link.server import Accept, serve
from hive.link.unix import Credentials, bind, listener

__all__ = [
    "Accept",
    "Credentials",
    "Limits",
    "LinkClosed",
    "LinkError",
    "LinkRefused",
    "Peer",
    "Refuse",
    "RemoteError",
    "Session",
    "bind",
    "connect",
    "keep_connected",
    "listener",
    "serve",
]
