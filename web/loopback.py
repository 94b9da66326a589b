"""Where the page may be bound and by which names it may be asked: this machine only."""

import ipaddress
import re
import socket

from attrs import frozen

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9A-Za-z.-]+))(?::([0-9]{1,5}))?")


class BindRefused(ValueError):
    """An address that the page must not or cannot be bound to; the text says what is allowed."""


@frozen
class Address:
    """A loopback address; port 0 lets the kernel choose."""

    host: str
    port: int

    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address, no port) can only mean this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def split_port(text: str) -> tuple[str, str]:
    """`host:port` or `[v6]:port` as two strings; the port is empty where there is none."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":")
    host, _, port = text.partition(":")
    return host, port


def split_host(header: str) -> str | None:
    """The host of a `Host` header, None when that is not `HOST` or `HOST:PORT`."""
    if (match := _HOST.fullmatch(header)) is None:
        return None
    v6, name, port = match.groups()
    return (v6 or name) if port is None or int(port) < 65536 else None


def parse_bind(text: str) -> Address:
    """Read `HOST:PORT`; raises BindRefused for anything but loopback."""
    host, port = split_port(text)
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise BindRefused(f"{text!r} is not HOST:PORT: write, for example, 127.0.0.1:8420")
    if not is_loopback(host):
        raise BindRefused(
            f"{host or 'an empty host'} is not a loopback address. The page has no login yet, so "
            "whoever reaches it commands the hive: use 127.0.0.1, [::1] or localhost, and an SSH "
            "tunnel (ssh -L 8420:127.0.0.1:8420 …) to look from elsewhere"
        )
    return Address("127.0.0.1" if host.lower() == "localhost" else host, int(port))


def listen(address: Address) -> socket.socket:
    """A listening socket; raises OSError, for example when the port is taken."""
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
