"""Files of agents, as the operator looks at them; nothing here changes any.

A path begins in its area's folder, and names in answers are parts of such paths: `\\xNN` stands for
a byte that is not UTF-8 or not printable, `\\\\` for a backslash, so all of it can be printed.
"""

from base64 import b64decode
from enum import StrEnum

from attrs import frozen

from hive.wire.bounds import MOST_PART


class FileArea(StrEnum):
    """Which of an agent's folders is meant."""

    STATE = "state"
    """The agent's own files: claude's working folder."""


class FileKind(StrEnum):
    """What lies under a name."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    """A symbolic link; none is ever followed."""
    FIFO = "fifo"
    SOCKET = "socket"
    DEVICE = "device"


@frozen
class ListFiles:
    """List a folder of an agent, the area itself by default; answered with `FileList`."""

    agent: str
    path: str = ""
    area: FileArea = FileArea.STATE


@frozen
class FileEntry:
    """A name in a folder; `size` in bytes, `mtime` (its last change) in epoch seconds."""

    name: str
    kind: FileKind
    size: int
    mtime: float
    uid: int
    """The user who owns it, as a number of the hive's machine."""


@frozen
class FileList:
    """The entries of a folder, the first by name; what is no folder is its only entry."""

    entries: tuple[FileEntry, ...]
    more: bool = False
    """Whether the folder has further entries, which cannot be listed."""


@frozen
class ReadFile:
    """Read a plain file from the byte `offset` on; answered with `FilePart`."""

    agent: str
    path: str
    offset: int = 0
    most: int = MOST_PART
    """Bytes in the answer at most, which may be fewer: go on behind them."""
    area: FileArea = FileArea.STATE


@frozen
class FilePart:
    """Bytes of a file: `content` is their text if they are UTF-8, else their base64.

    Of a text that goes on, no part ends within a character.
    """

    content: str
    is_text: bool
    size: int
    """Of the whole file, in bytes, as it was then."""
    file: str
    """Which file it is; another one means that it was replaced since an earlier part."""

    @property
    def data(self) -> bytes:
        """The bytes themselves; empty at the end of the file."""
        return self.content.encode() if self.is_text else b64decode(self.content)


OperatorReads = ListFiles | ReadFile
FromDaemon = FileList | FilePart
