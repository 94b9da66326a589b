"""Options that many commands share."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import orjson

from hive.paths import default_root
from hive.wire import Message, check_name, jsonable

F = TypeVar("F", bound=Callable[..., Any])


def root_option(command: F) -> F:
    """`--root DIR`, else HIVE_ROOT, else the default root."""
    return click.option(
        "--root",
        type=click.Path(path_type=Path, file_okay=False),
        default=default_root,
        envvar="HIVE_ROOT",
        show_default="$HIVE_ROOT, /var/lib/hyperhive as root, or the user's data folder",
        help="Folder of the hive.",
    )(command)


def json_option(command: F) -> F:
    """`--json`: the documented shape instead of text for people."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


class AgentName(click.ParamType[str]):
    """A name that an agent may have."""

    name = "NAME"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return check_name(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class HostPort(click.ParamType[tuple[str, int]]):
    """`HOST:PORT` on loopback."""

    name = "HOST:PORT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        host, _, port = str(value).rpartition(":")
        if host not in ("127.0.0.1", "localhost", "[::1]"):
            self.fail(
                f"{value!r} is refused: there is no login yet, so the page is for this machine "
                "only; use 127.0.0.1:PORT",
                param,
                ctx,
            )
        if not port.isdigit() or int(port) > 65535:
            self.fail(f"{value!r} has no port from 0 to 65535", param, ctx)
        return host, int(port)


def print_json(value: Any) -> None:
    """One JSON document on one line."""
    sys.stdout.write(orjson.dumps(value).decode() + "\n")
    sys.stdout.flush()


def message_json(message: Message) -> dict[str, Any]:
    """The documented shape: `from` and `to` for people, the rest as on the wire."""
    fields: dict[str, Any] = jsonable(message)
    return {"id": fields.pop("id"), "from": fields.pop("sender"), "to": fields.pop("recipient")} | (
        fields
    )


def text_argument(text: str) -> str:
    """The text itself, or standard input for `-`."""
    return sys.stdin.read() if text == "-" else os.fsencode(text).decode("utf-8", "replace")
