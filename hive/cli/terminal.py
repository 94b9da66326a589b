"""The operator's terminal: taken as a whole screen, and lent to a foreign program.

What a foreign program runs may be under an agent's influence. On the operator's own terminal it
could type into the shell (TIOCSTI); so it gets a pseudo-terminal, and of its output only text,
colours and the movements of a line editor pass: no clipboard, no title, no question that the
terminal answers.
"""

import codecs
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import click

# By xterm's names: the alternate screen, the cursor, the wrapping of long lines.
_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"

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


@contextmanager
def whole_screen() -> Iterator[Callable[[str], None]]:
    """Take the whole screen for a `with` block; gives a function that shows a text on it.

    Each text takes the place of the one before; what is too long or too wide is cut. Where standard
    output is no terminal that could do this, the texts are printed one after the other.
    """
    if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        yield click.echo
        return

    def show(text: str) -> None:
        lines = text.split("\n")[: shutil.get_terminal_size().lines - 1]
        click.echo("\x1b[H" + "".join(f"\x1b[K{line}\n" for line in lines) + "\x1b[J", nl=False)

    click.echo(_ENTER, nl=False)
    try:
        yield show
    finally:
        click.echo(_LEAVE, nl=False)


class OutputFilter:
    """Lets the harmless part of a terminal's output through, in whatever pieces it comes."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""

    def passed(self, data: bytes) -> str:
        """Take the next piece; returns the harmless part of what is complete by now."""
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
    """Run `argv` in the foreground with exactly this environment; returns its exit code.

    A code above 128 is that of a signal, as shells have it. Keys reach the program as they are,
    Ctrl-C too, and its terminal always has the size of the operator's. Standard input must be a
    terminal; raises termios.error, OSError when it is none or goes away.
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
    before = signal.signal(signal.SIGWINCH, lambda *_: _copy_size(master))
    try:
        _copy_size(master)
        _relay(master)
    finally:
        signal.signal(signal.SIGWINCH, before)
        os.close(master)
        _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _copy_size(master: int) -> None:
    size = fcntl.ioctl(sys.stdin.fileno(), termios.TIOCGWINSZ, struct.pack("4H", 0, 0, 0, 0))
    fcntl.ioctl(master, termios.TIOCSWINSZ, size)


def _relay(master: int) -> None:
    """Pass keys in and harmless output out until the program has let go of its terminal."""
    keys, output = sys.stdin.fileno(), OutputFilter()
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
                sys.stdout.write(output.passed(data))
                sys.stdout.flush()
            if keys in ready:
                typed = os.read(keys, CHUNK)
                if typed:
                    os.write(master, typed)
                else:
                    sources.remove(keys)
    finally:
        termios.tcsetattr(keys, termios.TCSAFLUSH, before)
