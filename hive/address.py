"""HOST:PORT of this machine: read, checked and written in one way, IPv6 addresses in brackets."""

import ipaddress
import re

from attrs import frozen

_HOST_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9A-Za-z.-]*))(?::([0-9]{1,5}))?")


class AddressRefused(ValueError):
    """An address that the page must not or cannot be bound to; the text says what is allowed."""


@frozen
class Address:
    """A loopback address, IPv6 without brackets; port 0 lets the kernel choose.

    As text it is `HOST:PORT` or `[HOST]:PORT`.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Return whether `host` (a name or an address, no port) can only mean this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def split_host_port(text: str) -> tuple[str, int | None] | None:
    """Split `HOST`, `HOST:PORT` or `[V6]:PORT` into the host without brackets and the port.

    The port is None where there is none; the whole is None when `text` has none of these forms. The
    host may be empty, and is not looked up.
    """
    if (match := _HOST_PORT.fullmatch(text)) is None:
        return None
    v6, name, port = match.groups()
    if port is not None and int(port) > 65535:
        return None
    return v6 or name, None if port is None else int(port)


def loopback_address(text: str) -> Address:
    """Read `HOST:PORT`; raises AddressRefused for anything but a loopback address with a port."""
    host, port = split_host_port(text) or ("", None)
    if port is None:
        raise AddressRefused(f"{text!r} is not HOST:PORT: write, for example, 127.0.0.1:8420")
    if not is_loopback(host):
        raise AddressRefused(
            f"{host or 'an empty host'} is not a loopback address. The page has no login yet, so "
            "whoever reaches it commands the hive: use 127.0.0.1, [::1] or localhost, and an SSH "
            "tunnel (ssh -L 8420:127.0.0.1:8420 …) to look from elsewhere"
        )
    return Address("127.0.0.1" if host.lower() == "localhost" else host, port)
