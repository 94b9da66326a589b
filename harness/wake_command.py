"""`hive-harness wake`: any program in an agent's container sends the agent a message.

It speaks with the harness: one line of JSON to it, one back. Nothing but the standard library is
needed, so that it starts at once.
"""

import argparse
import json
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

SOCKET_VARIABLE = "HIVE_WAKE"
"""The environment variable that says where the harness listens.

Claude has it, and all that it starts.
"""

SOCKET_NAME = "wake.sock"
"""The socket's name in the CLI's home."""

ANSWER_S = 60.0
"""How long the harness may take; it waits half a minute for the daemon."""

MOST_BYTES = 1 << 19
"""Bytes of a line, either way: many times what a message may have."""

FAILED, USAGE, NOBODY = 1, 2, 3
"""Exit codes: refused, used wrongly, no harness answers."""


def main(arguments: Sequence[str]) -> int:
    """Exit codes: 0 sent (prints the message's id), 1 refused, 2 usage, 3 no harness answers."""
    parser = argparse.ArgumentParser(prog="hive-harness wake", description=main.__doc__)
    parser.add_argument("--from", dest="label", required=True, help="what you call yourself")
    parser.add_argument("text", metavar="TEXT|-", help="the message; - reads standard input")
    given = parser.parse_args(arguments)
    where = os.environ.get(SOCKET_VARIABLE)
    if not where:
        return _failed(
            f"{SOCKET_VARIABLE} is not set: this works inside of an agent's container", NOBODY
        )
    text = given.text
    if text == "-" and sys.stdin is None:
        return _failed("standard input is closed: give the text on it, or as an argument", USAGE)
    if text == "-":
        text = sys.stdin.buffer.read(MOST_BYTES).decode(errors="replace")
    line = json.dumps({"from": _clean(given.label), "text": _clean(text)}).encode() + b"\n"
    if len(line) > MOST_BYTES:
        return _failed("the message is too long: write it to a file and send its path", FAILED)
    try:
        answer = json.loads(_request(Path(where), line))
    except (OSError, ValueError) as error:
        return _failed(f"the harness does not answer: {error}", NOBODY)
    if "message" not in answer:
        return _failed(str(answer.get("error")), FAILED)
    print(answer["message"])
    return 0


def _request(path: Path, line: bytes) -> bytes:
    """Send the line to the socket at `path`; the line that it answers. Raises OSError.

    By way of its folder: the kernel takes 107 bytes of path only.
    """
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_S)
            connection.connect(f"/proc/self/fd/{folder}/{path.name}")
            connection.sendall(line)
            with connection.makefile("rb") as answer:
                return answer.readline(MOST_BYTES)
    finally:
        os.close(folder)


def _clean(text: str) -> str:
    """The text in UTF-8: arguments of a command line may be any bytes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _failed(why: str, code: int) -> int:
    """Say on stderr why the message is not sent; the exit code."""
    print(f"hive-harness wake: {why}", file=sys.stderr)
    return code
