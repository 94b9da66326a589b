"""HOST:PORT: one reader and one writer for the page and the command line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.address import (
    Address,
    AddressRefused,
    is_loopback,
    loopback_address,
    split_host_port,
)


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
    assert loopback_address(text) == Address(host, port)


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", ":80", "example.org:80", "2130706433:80", "127.1:80"],
)
def test_other_addresses_are_refused_with_the_reason(text: str) -> None:
    with pytest.raises(AddressRefused, match="no login yet"):
        loopback_address(text)


@pytest.mark.parametrize(
    "text", ["", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "localhost:٣", "::1"]
)
def test_what_is_no_address_is_explained(text: str) -> None:
    with pytest.raises(AddressRefused, match=r"write, for example, 127\.0\.0\.1:8420"):
        loopback_address(text)


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        address = loopback_address(text)
    except AddressRefused:
        return
    assert is_loopback(address.host) and loopback_address(str(address)) == address


@pytest.mark.parametrize("text", ["127.0.0.1:80", "[::1]:8080", "127.3.2.1:0"])
def test_an_address_is_written_as_it_is_read(text: str) -> None:
    assert str(loopback_address(text)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.org", ("example.org", None)),
        ("[::1]", ("::1", None)),
        ("[::1]:80", ("::1", 80)),
        (":80", ("", 80)),
        ("[::1]80", None),
        ("[::1", None),
        ("a:b:80", None),
        ("a:99999", None),
    ],
)
def test_host_and_port_are_split(text: str, expected: tuple[str, int | None] | None) -> None:
    assert split_host_port(text) == expected
