"""The page is for this machine only: where it listens, and which requests come from it."""

import socket

from hive.address import Address, is_loopback, split_host_port


def listen(address: Address) -> socket.socket:
    """Return a listening socket; raises OSError, for example when the port is taken."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address.host, address.port))
        sock.listen(128)
    except BaseException:
        sock.close()
        raise
    return sock


def host_fault(host: str | None) -> str | None:
    """Say why the `Host` header is not ours; None when it is.

    A foreign name that resolves to 127.0.0.1 (DNS rebinding) would make a foreign page same-origin.
    """
    found = None if host is None else split_host_port(host)
    if found is not None and is_loopback(found[0]):
        return None
    return f"host {host!r:.200} is refused: open the page as localhost or 127.0.0.1"


def origin_fault(host: str | None, origin: str | None, fetch_site: str | None) -> str | None:
    """Say why a request that acts or listens does not come from our page; None when it does.

    The arguments are the headers `Host`, `Origin` and `Sec-Fetch-Site`. Browsers name the origin
    of every POST and websocket; programs without one may ask.
    """
    if origin is not None and origin != f"http://{host}":
        return f"origin {origin!r:.200} is refused: only the hive's own page may do this"
    if fetch_site not in (None, "same-origin", "none"):
        return "a request from another site is refused: only the hive's own page may do this"
    return None
