import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.guard import host_fault, origin_fault
from web.loopback import Address, BindRefused, is_loopback, listen, parse_bind


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8420", "127.0.0.1", 8420),
        ("127.3.2.1:1", "127.3.2.1", 1),
        ("localhost:0", "127.0.0.1", 0),
        ("[::1]:65535", "::1", 65535),
    ],
)
def test_loopback_is_bound(text: str, host: str, port: int) -> None:
    assert parse_bind(text) == Address(host, port)


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", ":80", "example.org:80", "2130706433:80", "127.1:80"],
)
def test_other_addresses_are_refused_with_the_reason(text: str) -> None:
    with pytest.raises(BindRefused, match="no login yet"):
        parse_bind(text)


@pytest.mark.parametrize(
    "text", ["", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "localhost:٣", "::1"]
)
def test_what_is_no_address_is_explained(text: str) -> None:
    with pytest.raises(BindRefused, match=r"write, for example, 127\.0\.0\.1:8420"):
        parse_bind(text)


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        address = parse_bind(text)
    except BindRefused:
        return
    assert is_loopback(address.host)


def test_urls() -> None:
    assert Address("127.0.0.1", 80).url() == "http://127.0.0.1:80/"
    assert Address("::1", 80).url() == "http://[::1]:80/"


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
