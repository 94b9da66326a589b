"""Files of agents, as the operator looks at them: also of agents that are stopped.

An agent may have put anything there, and a disk may be slow: so files are looked at beneath the
agent's folder only (hive/beneath.py), in a few threads of their own, each with a deadline.
"""

from base64 import b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio
from attrs import field, frozen

from hive.beneath import FoundFile, kind_of, list_folder, name_text, parse_path, read_part
from hive.directory import Directory
from hive.files import UnfitFile
from hive.link import LinkError
from hive.operator.errors import NotDone
from hive.operator.handlers import Table, read
from hive.paths import Paths
from hive.wire.bounds import MOST_PART, MOST_ROWS, clamp
from hive.wire.codec import fitting
from hive.wire.files import (
    FileArea,
    FileEntry,
    FileKind,
    FileList,
    FilePart,
    ListFiles,
    ReadFile,
)

MOST_THREADS = 4
WITHIN_S = 10.0
"""How long one request may wait for a thread and the disk."""

LARGEST = 1 << 28
"""Bytes of a file that is read at all."""

T = TypeVar("T")


def table(paths: Paths, directory: Directory) -> Table:
    """What the operator may ask about the files of agents."""
    files = _Files(paths, directory)
    return {ListFiles: read(files.listed), ReadFile: read(files.part)}


@frozen
class _Files:
    paths: Paths
    directory: Directory
    threads: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(MOST_THREADS))

    async def listed(self, asked: ListFiles) -> FileList:
        return await self._look(asked, _list)

    async def part(self, asked: ReadFile) -> FilePart:
        if asked.offset < 0:
            raise LinkError("bad_request", "offset must be 0 or more")
        most = clamp(asked.most, 4, MOST_PART)  # at least the longest character
        return await self._look(asked, partial(_read, offset=asked.offset, most=most))

    async def _look(
        self, asked: ListFiles | ReadFile, look: Callable[[Path, tuple[bytes, ...]], T]
    ) -> T:
        agent = self.paths.agent(self.directory.record(asked.agent).name)
        base = {FileArea.STATE: agent.state}[asked.area]
        parts = parse_path(asked.path)
        named = f"{asked.agent}:{'/'.join(map(name_text, parts))}"
        try:
            with trio.fail_after(WITHIN_S):
                return await trio.to_thread.run_sync(
                    look, base, parts, limiter=self.threads, abandon_on_cancel=True
                )
        except FileNotFoundError:
            text = f"there is no {named}: `hive ls {asked.agent}` shows what is there"
            if not parts:
                text = f"{asked.agent} has no files yet: its folder is made when it first starts"
            raise LinkError("no_such_file", text) from None
        except UnfitFile as error:
            text = (
                f"{asked.agent}:{error.filename} {error.strerror}: read are plain files of at most "
                f"{LARGEST} bytes, and no link is followed; `hive ls` lists folders, and all of it "
                f"lies in {base}"
            )
            raise LinkError("unfit_file", text) from None
        except trio.TooSlowError:
            text = f"{named} was not read within {WITHIN_S:.0f} s: the disk is slow, try again"
            raise NotDone("too_slow", text) from None
        except BlockingIOError:  # to ask ends the lease, but the kernel gives its holder time
            text = f"a program holds a lease of {named}: try again in a minute"
            raise NotDone("not_done", text) from None
        except OSError as error:
            raise NotDone("not_done", f"{named} cannot be read: {error.strerror}") from None


def _list(base: Path, parts: tuple[bytes, ...]) -> FileList:
    found, more = list_folder(base, parts, MOST_ROWS)
    entries = fitting(map(_entry, found))
    return FileList(entries, more or len(entries) < len(found))


def _entry(found: FoundFile) -> FileEntry:
    kind = FileKind(kind_of(found.stat.st_mode))
    stat = found.stat
    return FileEntry(name_text(found.name), kind, stat.st_size, stat.st_mtime, stat.st_uid)


def _read(base: Path, parts: tuple[bytes, ...], offset: int, most: int) -> FilePart:
    data, found = read_part(base, parts, offset, most, LARGEST)
    content, is_text = _content(data)
    return FilePart(content, is_text, found.st_size, f"{found.st_dev}:{found.st_ino}")


def _content(data: bytes) -> tuple[str, bool]:
    """The text, without the begin of a character that is cut off at the end; or base64."""
    try:
        return data.decode(), True
    except UnicodeDecodeError as error:
        if error.start and error.reason == "unexpected end of data":
            return data[: error.start].decode(), True
        return b64encode(data).decode(), False
