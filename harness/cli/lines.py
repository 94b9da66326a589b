"""Bytes of a pipe to lines, with a bound on what one line may take."""

MAX_LINE = 16 << 20
"""Longest line of stdout in bytes (tool results can be large); longer ones are dropped."""


class LineSplitter:
    """Splits a stream at newlines; one over `limit` bytes is dropped: it becomes None."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._parts: list[bytes | bytearray] = []
        self._size = 0
        self._dropping = False

    def feed(self, data: bytes | bytearray) -> list[bytes | None]:
        """The lines that `data` completes, without their newlines; empty lines are left out."""
        lines: list[bytes | None] = []
        *complete, rest = data.split(b"\n")
        for piece in complete:
            self._add(piece)
            line = None if self._dropping else b"".join(self._parts)
            if line is None or line.strip():
                lines.append(line)
            self._parts, self._size, self._dropping = [], 0, False
        self._add(rest)
        return lines

    def _add(self, piece: bytes | bytearray) -> None:
        if not piece or self._dropping:
            return
        self._parts.append(piece)
        self._size += len(piece)
        if self._size > self._limit:
            self._parts, self._dropping = [], True


class Tail:
    """The last `limit` bytes of a stream, for reports."""

    def __init__(self, limit: int = 8192) -> None:
        self._limit = limit
        self._data = b""
        self._cut = False

    def feed(self, data: bytes | bytearray) -> None:
        """Add what the stream has brought; what is older than `limit` bytes is forgotten."""
        whole = self._data + data
        self._data = whole[-self._limit :]
        self._cut = self._cut or len(whole) > self._limit

    def __str__(self) -> str:
        """The text. If its beginning is lost it starts at a whole word: half a key is a secret."""
        text = self._data.decode("utf-8", "replace")
        return " ".join(text.split(None, 1)[1:]) if self._cut else text
