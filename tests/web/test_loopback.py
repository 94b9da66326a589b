import errno

import pytest

from hive.address import Address
from web.loopback import host_fault, listen, origin_fault


def test_a_taken_port_is_an_error() -> None:
    with listen(Address("127.0.0.1", 0)) as first, pytest.raises(OSError) as caught:
        listen(Address("127.0.0.1", first.getsockname()[1]))
    assert caught.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8420", "127.0.0.1:1", "[::1]:8420"])
def test_our_names(host: str) -> None:
    assert host_fault(host) is None


@pytest.mark.parametrize(
    "host",
    [None, "", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8420", "10.0.0.1"],
)
def test_foreign_names(host: str | None) -> None:
    assert host_fault(host) is not None


@pytest.mark.parametrize(
    ("origin", "fetch_site", "fine"),
    [
        ("http://localhost:8420", "same-origin", True),
        ("http://localhost:8420", None, True),
        (None, None, True),
        (None, "none", True),
        ("http://localhost:9999", "same-site", False),
        ("http://evil.example", None, False),
        ("https://localhost:8420", None, False),
        ("null", None, False),
        ("", None, False),
        (None, "cross-site", False),
        (None, "same-site", False),
    ],
)
def test_origins(origin: str | None, fetch_site: str | None, fine: bool) -> None:
    assert (origin_fault("localhost:8420", origin, fetch_site) is None) is fine
