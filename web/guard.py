"""Which requests come from the page itself: names, origins and the headers that keep it so."""

from collections.abc import Mapping

from web.loopback import is_loopback, split_host

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def host_fault(host: str | None) -> str | None:
    """Why the `Host` header is not ours, or None.

    A foreign name that resolves to 127.0.0.1 (DNS rebinding) would make a foreign page same-origin.
    """
    name = None if host is None else split_host(host)
    if name is not None and is_loopback(name):
        return None
    return f"host {host!r:.200} is refused: open the page as localhost or 127.0.0.1"


def origin_fault(host: str | None, origin: str | None, fetch_site: str | None) -> str | None:
    """Why a request that acts or listens does not come from our page, or None.

    The arguments are the headers `Host`, `Origin` and `Sec-Fetch-Site`. Browsers name the origin
    of every POST and websocket; programs without one may ask.
    """
    if origin is not None and origin != f"http://{host}":
        return f"origin {origin!r:.200} is refused: only the hive's own page may do this"
    if fetch_site not in (None, "same-origin", "none"):
        return "a request from another site is refused: only the hive's own page may do this"
    return None
