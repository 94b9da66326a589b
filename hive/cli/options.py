"""Options that many commands share."""

import io
import os
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click
import orjson

from hive.address import Address, AddressRefused, loopback_address
from hive.cli.errors import USAGE, CommandFailed
from hive.paths import check_root, default_root
from hive.wire.bounds import MAX_FRAME
from hive.wire.codec import jsonable
from hive.wire.messages import Message
from hive.wire.names import check_name

F = TypeVar("F", bound=Callable[..., Any])

STOP_S = 60.0
"""An act may end containers and wait for what they hold."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Root(click.Path):
    """The folder of a hive, absolute."""

    name = "DIR"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value):
            self.fail("the folder's name is empty: give one, or leave --root out", param, ctx)
        try:
            return check_root(Path(os.fsdecode(super().convert(value, param, ctx))))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def root_option(command: F) -> F:
    """Give a command the option `--root DIR`: else HIVE_ROOT, else the default root."""
    return click.option(
        "--root",
        type=Root(path_type=Path, file_okay=False),
        default=default_root,
        envvar="HIVE_ROOT",
        show_default="$HIVE_ROOT, /var/lib/hyperhive as root, or the user's data folder",
        help="Folder of the hive.",
    )(command)


def json_option(command: F) -> F:
    """Give a command the option `--json`: the documented shape instead of text for people."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


class Span(click.ParamType[float]):
    """A time span: `90s`, `15m`, `2h`, `1d`; seconds."""

    name = "SPAN"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", str(value))
        if match is None:
            self.fail(f"{value!r} is no time span: write 90s, 15m, 2h or 1d", param, ctx)
        return float(match[1]) * _UNITS[match[2]]


class AgentName(click.ParamType[str]):
    """A name that an agent may have."""

    name = "NAME"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return check_name(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


AGENT = AgentName()


class Loopback(click.ParamType[Address]):
    """An address of this machine: `127.0.0.1:8420`, `localhost:0`, `[::1]:8420`."""

    name = "HOST:PORT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Address:
        try:
            return value if isinstance(value, Address) else loopback_address(str(value))
        except AddressRefused as error:
            self.fail(str(error), param, ctx)


def print_json(value: Any) -> None:
    """Print one JSON document on one line, in UTF-8 whatever the locale: so JSON is defined."""
    click.echo(orjson.dumps(value))


def message_json(message: Message) -> dict[str, Any]:
    """Return the documented shape: `from` and `to` for people, the rest as on the wire."""
    fields: dict[str, Any] = jsonable(message)
    return {"id": fields.pop("id"), "from": fields.pop("sender"), "to": fields.pop("recipient")} | (
        fields
    )


def text_argument(text: str) -> str:
    """Return the text itself, or standard input for `-`; CommandFailed for what is not UTF-8."""
    if text == "-":
        return _decoded(standard_input(MAX_FRAME), "standard input")
    return _decoded(os.fsencode(text), "the text") if _unread(text) else text


def standard_input(most: int) -> bytes:
    """Read all of it; raises CommandFailed if it is closed, unreadable or has over `most` bytes."""
    if sys.stdin is None:
        raise CommandFailed("standard input is closed: give the text on it, or as an argument")
    try:
        data: bytes = sys.stdin.buffer.read(most + 1)
    except OSError as error:
        raise CommandFailed(f"standard input cannot be read: {error}") from None
    if len(data) > most:
        raise CommandFailed(
            f"standard input has more than {most} bytes: send a file's path instead"
        )
    return data


def _unread(text: str) -> bool:
    """Whether the locale could not read some of it: surrogates stand for those bytes, which may
    be UTF-8 all the same.
    """
    return any("\udc80" <= character <= "\udcff" for character in text)


def _decoded(data: bytes, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise CommandFailed(
            f"{what} is not UTF-8 (byte 0x{data[error.start]:02x} at {error.start}): convert it, "
            "for example with `iconv -f latin1 -t utf-8`",
            USAGE,
        ) from None


def check_words(words: Iterable[str]) -> None:
    """Raise click.UsageError for an argument that is not text, whatever command it is for."""
    for word in filter(_unread, words):
        try:
            os.fsencode(word).decode()
        except UnicodeError:
            raise click.UsageError(f"{word[:80]!a} is not UTF-8") from None


def show_any_text() -> None:
    """Let what the terminal's encoding cannot say be shown escaped, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
