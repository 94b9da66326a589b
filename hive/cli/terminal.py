"""A foreign program at the operator's terminal, on a terminal of its own.

What it runs may be under an agent's influence. On the operator's own terminal it could type into
the shell (TIOCSTI); so it gets a pseudo-terminal, and of its output only text, colours and the
movements of a line editor pass: no clipboard, no title, no question that the terminal answers.
"""

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import tty
from collections.abc import Mapping, Sequence

_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # CSI
    r"|[]PX^_].*?(?:\x07|\x1b\\)"  # OSC and the like: up to their end
    r"|[ -/]+[0-~]|[0-OQ-WYZ\\`-~]"
    r"|(?P<unfinished>\[[0-?]*[ -/]*\Z|[]PX^_].*\Z|[ -/]*\Z))",
    re.DOTALL,
)
_HARMLESS = re.compile(r"\x1b\[(?:[0-9;]*[ABCDGJKm]|\?25[hl])")
_CONTROL = re.compile(r"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f]")
MOST_UNFINISHED = 4096
CHUNK = 4096


class Sieve:
    """Lets the harmless part of a terminal's output through, in whatever pieces it comes."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""

    def sift(self, data: bytes) -> str:
        """The harmless part of what is complete by now."""
        text = self._rest + self._decoder.decode(data)
        pieces, at, self._rest = [], 0, ""
        for found in _SEQUENCE.finditer(text):
            pieces.append(_CONTROL.sub("", text[at : found.start()]))
            if found["unfinished"] is not None:
                self._rest = found[0]
            elif _HARMLESS.fullmatch(found[0]):
                pieces.append(found[0])
            at = found.end()
        pieces.append(_CONTROL.sub("", text[at:]))
        if len(self._rest) > MOST_UNFINISHED:  # how it began and may end is all that matters
            self._rest = self._rest[:2] + self._rest[-2:]
        return "".join(pieces)


def run_at_terminal(argv: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run it in the foreground with exactly this environment; its exit code, as shells have it.

    Keys reach it as they are, Ctrl-C too.
    """
    pid, master = pty.fork()
    if pid == 0:
        try:
            os.chdir("/")
            os.execve(argv[0], tuple(argv), environment)
        except OSError as error:
            os.write(2, f"{argv[0]} cannot be started: {error}\r\n".encode())
        finally:
            os._exit(127)
    try:
        _copy_size(master)
        _relay(master)
    finally:
        os.close(master)
        _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _copy_size(master: int) -> None:
    size = fcntl.ioctl(sys.stdin.fileno(), termios.TIOCGWINSZ, struct.pack("4H", 0, 0, 0, 0))
    fcntl.ioctl(master, termios.TIOCSWINSZ, size)


def _relay(master: int) -> None:
    """Pass keys in and harmless output out until the program has let go of its terminal."""
    keys, sieve = sys.stdin.fileno(), Sieve()
    before = termios.tcgetattr(keys)
    tty.setraw(keys)
    sources = [master, keys]
    try:
        while True:
            ready, _, _ = select.select(sources, [], [])
            if master in ready:
                try:
                    data = os.read(master, CHUNK)
                except OSError:  # how Linux says that nobody has the other side open
                    return
                if not data:
                    return
                sys.stdout.write(sieve.sift(data))
                sys.stdout.flush()
            if keys in ready:
                typed = os.read(keys, CHUNK)
                if typed:
                    os.write(master, typed)
                else:
                    sources.remove(keys)
    finally:
        termios.tcsetattr(keys, termios.TCSAFLUSH, before)
