"""A copy of /etc with only what any unprivileged user of the host could read.

A container of a hive that root runs has host uid 0 behind its user, so file modes protect
nothing from it; and masking single files does not last: a mount over /etc/shadow vanishes when
the host replaces that file. A copy holds what was chosen. Containers see the folder of the copy, in
which files are replaced one by one, so those that run follow the host, too.
"""

import os
import shutil
import stat
from pathlib import Path

_VISIBLE = ("/etc/", "/usr/", "/proc/", "/dev/")

OWN = ("passwd", "group")
"""Each container has its own, mounted over these: to replace one would end that mount."""

NETWORK = ("resolv.conf", "hosts", "nsswitch.conf", "gai.conf", "host.conf", "localtime")
"""What changes while a machine moves from network to network."""


def copy_etc(target: Path, source: Path = Path("/etc")) -> None:
    """Bring the copy `target` up to date with `source` (blocks; 50 ms when little changed).

    The files named in OWN are there, and empty. Raises OSError.
    """
    target.mkdir(mode=0o755, parents=True, exist_ok=True)
    for name in OWN:
        (target / name).touch(mode=0o644)
    _copy_folder(target, source, leave=OWN)


def signature(source: Path = Path("/etc")) -> tuple[object, ...]:
    """Return a value that differs when a file of NETWORK, or what it links to, has changed.

    Cheap; a file that cannot be looked at counts as missing.
    """
    return tuple(_identity(source / name) for name in NETWORK)


def _identity(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _copy_folder(target: Path, source: Path, leave: tuple[str, ...] = ()) -> None:
    target.mkdir(mode=0o755, exist_ok=True)
    wanted = set(leave)
    for entry in os.scandir(source):
        if entry.name in leave:
            continue
        try:
            if _copy_entry(entry, target / entry.name):
                wanted.add(entry.name)
        except FileNotFoundError:
            wanted.add(entry.name)  # it is being replaced: the last copy is better than none
        except PermissionError:
            continue
    for copy in target.iterdir():
        if copy.name not in wanted:
            _remove(copy)


def _copy_entry(entry: "os.DirEntry[str]", copy: Path) -> bool:
    if entry.is_symlink():
        return _copy_link(Path(entry.path), copy)
    mode = entry.stat(follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode) and mode & 0o005 == 0o005:
        if copy.is_symlink() or copy.is_file():
            _remove(copy)
        _copy_folder(copy, Path(entry.path))
        return True
    return stat.S_ISREG(mode) and _copy_file(Path(entry.path), copy)


def _copy_link(link: Path, copy: Path) -> bool:
    text = link.readlink()
    if copy.is_symlink() and copy.readlink() == text:
        return True
    to = Path(os.path.realpath(link))
    if not str(to).startswith(_VISIBLE):  # such as resolv.conf, which often lies in /run
        return _reachable(to) and _copy_file(to, copy)
    _remove(copy)
    copy.symlink_to(text)
    return True


def _reachable(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in path.parents)


def _copy_file(source: Path, copy: Path) -> bool:
    """Copy a plain file that everybody may read; False if it is none."""
    file = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(file, "rb") as reader:
        found = os.fstat(file)
        if not (stat.S_ISREG(found.st_mode) and found.st_mode & 0o004):
            return False
        if _same(copy, found):
            return True
        if copy.is_dir() and not copy.is_symlink():
            _remove(copy)
        written = copy.with_name(f".{copy.name}.new")
        with written.open("wb") as writer:
            shutil.copyfileobj(reader, writer)
        written.chmod(0o755 if found.st_mode & 0o001 else 0o644)
        os.utime(written, ns=(found.st_mtime_ns, found.st_mtime_ns))
        written.replace(copy)
        return True


def _same(copy: Path, found: os.stat_result) -> bool:
    try:
        have = copy.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(have.st_mode) and (have.st_size, have.st_mtime_ns) == (
        found.st_size,
        found.st_mtime_ns,
    )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
