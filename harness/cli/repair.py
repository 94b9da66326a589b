"""The CLI's own files: what is damaged is set aside before a start, so that no turn fails by it.

The CLI ends at a `.claude.json` that is no JSON (a cut or empty one, after a crash or on a full
disk), waits for ever at a pipe in the place of a file, and cannot work where a file lies in the
place of a folder. All of it lies where the agent can write: no link is followed, nothing is read
that may block or is very large, and what is set aside keeps its data. Blocks; for a thread.
"""

import errno
import json
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from heapq import nlargest
from itertools import islice
from pathlib import Path

from attrs import frozen

from hive.text import one_line

KEPT = 3
"""How many damaged files of one name are kept, the latest."""

MOST_BYTES = 8 << 20
"""Of a configuration; the CLI's own has some kilobytes."""

_MOST_ENTRIES = 1000
_MOST_TEXT = 400
_BACKUPS = 5
_MOST_NOTES = 10
_FOLDERS = ("", "tmp", ".claude", ".claude/backups", ".claude/projects")
_DAMAGED = ".damaged-"


@frozen
class Repaired:
    """What was wrong and what became of it, in sentences for the operator.

    `lost_session`: the transcript of the session cannot be read, so that it cannot be resumed.
    """

    notes: tuple[str, ...] = ()
    lost_session: bool = False


def repair(home: Path, session: str) -> Repaired:
    """Make the CLI able to start in its `home`; never raises for what lies there."""
    notes: list[str] = []
    lost_session = False
    for name in _FOLDERS:
        notes += _inspect(home / name, _folder_damage)
    if found := _inspect(home / ".claude.json", _config_damage):
        notes += [*found, _restore(home)]
    for folder in (home, home / ".claude"):
        for pipe in list(_pipes(folder)):
            notes += _inspect(pipe, _pipe_damage)
    for project in _entries(home / ".claude" / "projects"):
        if found := _inspect(Path(project.path, f"{session}.jsonl"), _file_damage):
            lost_session = True
            notes += [*found, "its conversation is lost: a new one begins"]
    return Repaired(tuple(notes[:_MOST_NOTES]), lost_session)


class _Damage(Exception):
    """What is wrong with a file."""


def _inspect(path: Path, check: Callable[[Path], None]) -> list[str]:
    """Set `path` aside if `check` finds damage; what there is to say."""
    try:
        check(path)
    except FileNotFoundError:
        pass
    except (_Damage, OSError) as damage:
        why = damage.strerror if isinstance(damage, OSError) else str(damage)
        became = _set_aside(path, why or "cannot be read")
        return [one_line(f"claude's {path.name} {became}", _MOST_TEXT)]
    return []


def _folder_damage(path: Path) -> None:
    found = os.lstat(path)
    if not path.is_dir():
        raise _Damage("is not a folder")
    if stat.S_ISDIR(found.st_mode) and found.st_mode & 0o700 != 0o700:
        path.chmod(found.st_mode | 0o700)


def _pipe_damage(_: Path) -> None:
    raise _Damage("is a pipe, at which claude would wait for ever")


def _file_damage(path: Path) -> None:
    os.close(_open_plain(path))


def _config_damage(path: Path) -> None:
    with os.fdopen(_open_plain(path), "rb") as file:
        _check_json(file.read(MOST_BYTES + 1))


def _open_plain(path: Path) -> int:
    """A descriptor of a plain file. Raises _Damage, OSError."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _Damage("is a link") from None
        raise
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise _Damage("is not a plain file")
    return file


def _check_json(data: bytes) -> None:
    """As strict as the CLI is. Raises _Damage."""
    if len(data) > MOST_BYTES:
        raise _Damage(f"is larger than {MOST_BYTES >> 20} MiB")
    try:
        json.loads(data.decode("utf-8-sig", "replace"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _Damage(f"is no JSON ({error})" if data.strip() else "is empty") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _set_aside(path: Path, why: str) -> str:
    """Rename it, or remove what holds nothing; how that went."""
    try:
        if stat.S_ISFIFO(os.lstat(path).st_mode):
            path.unlink()
            return f"{why}: removed"
        aside = path.with_name(f"{path.name}{_DAMAGED}{time.time_ns()}")
        path.rename(aside)
    except OSError as error:
        return f"{why} and cannot be set aside: {error.strerror}"
    with suppress(OSError):
        _drop_old(path)
    return f"{why}: set aside as {aside.name}"


def _drop_old(path: Path) -> None:
    mine = [one for one in _entries(path.parent) if one.name.startswith(path.name + _DAMAGED)]
    for old in sorted(mine, key=lambda one: one.name)[:-KEPT]:
        if old.is_dir(follow_symlinks=False):
            shutil.rmtree(old.path, ignore_errors=True)
        else:
            Path(old.path).unlink()


def _restore(home: Path) -> str:
    """Put the CLI's latest good backup in the place of its configuration; how that went."""
    for backup in nlargest(_BACKUPS, _backups(home), key=_number):
        try:
            with os.fdopen(_open_plain(backup), "rb") as file:
                data = file.read(MOST_BYTES + 1)
            _check_json(data)
        except (_Damage, OSError):
            continue
        try:
            _write_new(home / ".claude.json", data)
        except OSError as error:
            return f"its backup cannot be restored ({error.strerror}): claude begins anew"
        return f"its backup of {_number(backup)} is restored"
    return "there is no good backup of it: claude begins with a new one"


def _backups(home: Path) -> Iterator[Path]:
    for entry in _entries(home / ".claude" / "backups"):
        if entry.name.startswith(".claude.json.backup."):
            yield Path(entry.path)


def _number(backup: Path) -> int:
    """When it was made, in milliseconds, as its name says."""
    last = backup.name.rpartition(".")[2]
    return int(last) if last.isascii() and last.isdigit() and len(last) < 20 else 0


def _write_new(path: Path, data: bytes) -> None:
    new = path.with_name(f"{path.name}.restored")
    try:
        new.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(new, flags, 0o600), "wb") as file:
            file.write(data)
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def _pipes(folder: Path) -> Iterator[Path]:
    for entry in _entries(folder):
        try:
            if stat.S_ISFIFO(entry.stat().st_mode) and _DAMAGED not in entry.name:
                yield Path(entry.path)
        except OSError:
            continue


def _entries(folder: Path) -> Iterator["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as found:
            yield from islice(found, _MOST_ENTRIES)
    except OSError:
        return
