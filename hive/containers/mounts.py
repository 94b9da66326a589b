"""What of the host a container sees, and where the hive's own files must be hidden in that.

Everything is compared by resolved paths, and by all places where a bind mount shows it again: a
root below a folder that containers see is covered by an empty folder there. What cannot be covered
is refused, and nothing starts.
"""

import importlib.util
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from attrs import frozen

from hive.containers.errors import NotHidden
from hive.paths import Paths


@frozen
class Mount:
    """One mount: `source` is seen at `place`; None covers what lies there by an empty folder."""

    place: Path
    source: Path | None


@frozen
class HostMount:
    """A line of /proc/self/mountinfo: the folder `source` of a filesystem is seen at `place`."""

    device: str
    source: Path
    place: Path


@frozen
class HiddenPaths:
    """Resolved paths that no container may see.

    `root` may hold what containers see, such as a virtual environment; `folders` may not.
    """

    root: frozenset[Path]
    folders: frozenset[Path]
    files: frozenset[Path]


def container_mounts(
    root: Path, system: Sequence[str], readonly: Iterable[Path], files: Iterable[Path] = ()
) -> tuple[Mount, ...]:
    """Find the mounts of a container of the hive in `root`, in order, after those of its `system`.

    `readonly` is what it sees beside its system, `files` more that it must not see. Blocks: it
    looks at the mounts and links of the host. Raises NotHidden when something of the hive's own
    would be visible and cannot be covered, OSError when the host cannot be looked at.
    """
    hidden = find_hidden(Paths(root), files, read_mounts())
    there = [Mount(Path(folder), _real(Path(folder))) for folder in system]
    return plan(there, _resolved(readonly), hidden)


def plan(system: Sequence[Mount], shown: Iterable[Mount], hidden: HiddenPaths) -> tuple[Mount, ...]:
    """Order the mounts of what is shown and of what covers the hive's own in it; pure.

    `system` is mounted already and not in the result. Raises NotHidden when something of the hive's
    own would be visible.
    """
    everything = (*system, *shown)
    covers: set[Path] = set()
    for mount in everything:
        assert mount.source is not None
        _refuse(mount.source, hidden)
        for path in hidden.root | hidden.folders:
            if path.is_relative_to(mount.source):
                covers.add(mount.place / path.relative_to(mount.source))
    wanted = {*everything, *(Mount(place, None) for place in covers)} - {*system}
    planned = list(system)
    for mount in sorted(wanted, key=_order):
        around = _enclosing(mount.place, planned)
        if around is None or not (_same(mount, around) or _is_link(mount, around)):
            planned.append(mount)
    for mount in planned:
        for file in hidden.files:
            if mount.source is not None and file.is_relative_to(mount.source):
                place = mount.place / file.relative_to(mount.source)
                if _enclosing(place, planned) == mount:
                    raise NotHidden(
                        f"{file} would be visible in containers, which see {mount.source}: "
                        "move it to another folder"
                    )
    return tuple(planned[len(system) :])


def _order(mount: Mount) -> tuple[tuple[str, ...], bool]:
    return mount.place.parts, mount.source is None


def _enclosing(place: Path, mounts: Iterable[Mount]) -> Mount | None:
    """The deepest, last mount at or above `place`."""
    found = None
    for mount in mounts:
        above = place.is_relative_to(mount.place)
        if above and (found is None or mount.place.is_relative_to(found.place)):
            found = mount
    return found


def _same(mount: Mount, around: Mount) -> bool:
    """Whether `around` shows at the mount's place just what the mount would."""
    if mount.source is None or around.source is None:
        return mount.source is around.source
    return mount.source == around.source / mount.place.relative_to(around.place)


def _is_link(mount: Mount, around: Mount) -> bool:
    """Whether the place leads over a link that is seen already, to where it is shown too."""
    return around.source is not None and mount.source not in (None, mount.place)


def _refuse(source: Path, hidden: HiddenPaths) -> None:
    for path in hidden.root | hidden.folders | hidden.files:
        inside = source.is_relative_to(path) and path not in hidden.root
        if source == path or inside:
            raise NotHidden(
                f"containers must see {source} to work, but {path} is the hive's own and hidden "
                "from them: move one of the two, or choose another --root"
            )


def find_hidden(paths: Paths, files: Iterable[Path], host: Sequence[HostMount]) -> HiddenPaths:
    """Find everything of the hive that a container must not see, at every place of the host.

    `files` are more of the kind, `host` is what the host mounts. Blocks; raises OSError.
    """
    agents = paths.root / "agents"
    links = [link for pattern in ("*", "*/*") for link in agents.glob(pattern) if link.is_symlink()]
    folders = (*paths.private_folders, *links)
    return HiddenPaths(
        root=frozenset(everywhere(_real(paths.root), host)),
        folders=frozenset(
            place for path in folders if path.is_dir() for place in everywhere(_real(path), host)
        ),
        files=frozenset(
            place
            for path in (*paths.private_files, *files)
            for place in everywhere(_real(path), host)
        ),
    )


def everywhere(path: Path, host: Sequence[HostMount]) -> Iterator[Path]:
    """Yield the resolved `path`, and wherever else a mount of the host shows it or a part of it."""
    yield path
    starts = [path, *(one.place for one in host if one.place != path and _below(one.place, path))]
    for start in starts:
        for place, part in other_places(start, host):
            try:
                if place not in starts and place.samefile(start / part):
                    yield place
            except OSError:
                continue  # hidden below another mount, or gone


def other_places(path: Path, host: Sequence[HostMount]) -> Iterator[tuple[Path, Path]]:
    """Yield where the mounts show `path`, or a part of it, which is given relative to it; pure."""
    above = [one for one in host if _below(path, one.place)]
    if not above:
        return
    home = max(enumerate(above), key=lambda item: (len(item[1].place.parts), item[0]))[1]
    inner = home.source / path.relative_to(home.place)
    for one in host:
        if one.device == home.device and _below(inner, one.source):
            yield one.place / inner.relative_to(one.source), Path()
        elif one.device == home.device and _below(one.source, inner):
            yield one.place, one.source.relative_to(inner)


def _below(path: Path, folder: Path) -> bool:
    """What `path.is_relative_to(folder)` says, much faster: a host may have hundreds of mounts."""
    return path == folder or str(path).startswith(f"{str(folder).rstrip('/')}/")


def read_mounts() -> tuple[HostMount, ...]:
    """Read the mounts that this process sees; raises OSError."""
    return parse_mounts(Path("/proc/self/mountinfo").read_bytes())


def parse_mounts(text: bytes) -> tuple[HostMount, ...]:
    """Read the lines of a mountinfo file (proc(5)), in which spaces and the like are octal escapes.

    Raises ValueError for what is no such file.
    """
    found = []
    for line in text.splitlines():
        _, _, device, source, place, *_ = line.split(b" ")
        found.append(HostMount(device.decode(), _unescape(source), _unescape(place)))
    return tuple(found)


def _unescape(word: bytes) -> Path:
    return Path(os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]), word)))


def _resolved(readonly: Iterable[Path]) -> Iterator[Mount]:
    """Each where it really is, and by the name that it was given, which may lead over links."""
    for path in readonly:
        real = _real(path)
        yield Mount(real, real)
        if real != path:
            yield Mount(path, real)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def runtime_folders(*more: Path) -> tuple[Path, ...]:
    """Find what a container must see of this installation to run our code: Python and packages.

    For `Container.readonly`, with `more` added. It is not the whole prefix of an installation,
    which may be somebody's home. What lies under /usr is left out: a container sees that anyway.
    """
    wanted = [*_interpreter(Path(sys.base_prefix)), *_environment(Path(sys.prefix)), *more]
    for package in ("hive", "harness"):
        spec = importlib.util.find_spec(package)
        if spec is not None:
            wanted += [Path(place) for place in spec.submodule_search_locations or ()]
    there = {Path(os.path.normpath(path.absolute())) for path in wanted if path.exists()}
    return tuple(sorted(path for path in there if not _is_shown(path, there)))


def _interpreter(prefix: Path) -> Iterator[Path]:
    """The installation itself, by all names that lead to it."""
    for folder in (prefix, prefix.resolve()):
        yield from (folder / "bin", folder / "lib", folder / "lib64")
    link = Path(sys.executable)
    for _ in range(40):  # as many as the kernel follows
        if not link.is_symlink():
            break
        link = link.parent / link.readlink()
        yield link


def _environment(prefix: Path) -> Iterator[Path]:
    """The virtual environment, or the packages of an installation without one."""
    yield from (prefix / "pyvenv.cfg", Path(sys.executable).parent)
    yield from (Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("platlib")))


def _is_shown(path: Path, others: set[Path]) -> bool:
    """Whether another one, or the system, shows it already; a link there shows only itself."""
    return any(
        other in path.parents and path.resolve().is_relative_to(other.resolve())
        for other in (Path("/usr"), *others)
    )
