"""Which host folders a container sees, and where the hive's own files must be hidden in them.

Everything is compared by resolved paths, and by all places where a bind mount shows it again: a
root below a folder that containers see is covered by an empty folder there. What cannot be covered
is refused, and nothing starts.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from attrs import frozen

from hive.containers.errors import NotHidden
from hive.paths import Paths


@frozen
class Step:
    """One mount: `source` is seen at `place`; None covers what lies there by an empty folder."""

    place: Path
    source: Path | None


@frozen
class MountPoint:
    """A line of /proc/self/mountinfo: the folder `source` of a filesystem is seen at `place`."""

    device: str
    source: Path
    place: Path


@frozen
class Secrets:
    """Resolved paths that no container may see.

    `root` may hold what containers see, such as a virtual environment; `folders` may not.
    """

    root: frozenset[Path]
    folders: frozenset[Path]
    files: frozenset[Path]


def walls(
    root: Path, system: Sequence[str], readonly: Iterable[Path], files: Iterable[Path] = ()
) -> tuple[Step, ...]:
    """Mounts of a container of the hive in `root`, in their order, after those of its `system`.

    `readonly` is what it sees beside its system, `files` more that it must not see. Blocks; raises
    NotHidden, OSError.
    """
    secrets = find_secrets(Paths(root), files, read_mounts())
    there = [Step(Path(folder), _real(Path(folder))) for folder in system]
    return plan(there, _resolved(readonly), secrets)


def plan(system: Sequence[Step], shown: Iterable[Step], secrets: Secrets) -> tuple[Step, ...]:
    """Order what is shown and what covers secrets in it; pure. Raises NotHidden."""
    everything = (*system, *shown)
    covers: set[Path] = set()
    for step in everything:
        assert step.source is not None
        _refuse(step.source, secrets)
        for secret in secrets.root | secrets.folders:
            if secret.is_relative_to(step.source):
                covers.add(step.place / secret.relative_to(step.source))
    wanted = {*everything, *(Step(place, None) for place in covers)} - {*system}
    steps = list(system)
    for step in sorted(wanted, key=_order):
        around = _around(step.place, steps)
        if around is None or not (_same(step, around) or _is_link(step, around)):
            steps.append(step)
    for step in steps:
        for file in secrets.files:
            if step.source is not None and file.is_relative_to(step.source):
                place = step.place / file.relative_to(step.source)
                if _around(place, steps) == step:
                    raise NotHidden(
                        f"{file} would be visible in containers, which see {step.source}: "
                        "move it to another folder"
                    )
    return tuple(steps[len(system) :])


def _order(step: Step) -> tuple[tuple[str, ...], bool]:
    return step.place.parts, step.source is None


def _around(place: Path, steps: Iterable[Step]) -> Step | None:
    """The deepest, last step at or above `place`."""
    found = None
    for step in steps:
        above = place.is_relative_to(step.place)
        if above and (found is None or step.place.is_relative_to(found.place)):
            found = step
    return found


def _same(step: Step, around: Step) -> bool:
    """Whether `around` shows at the step's place just what the step would."""
    if step.source is None or around.source is None:
        return step.source is around.source
    return step.source == around.source / step.place.relative_to(around.place)


def _is_link(step: Step, around: Step) -> bool:
    """Whether the step's place leads over a link that is seen already, to where it is shown too."""
    return around.source is not None and step.source not in (None, step.place)


def _refuse(source: Path, secrets: Secrets) -> None:
    for secret in secrets.root | secrets.folders | secrets.files:
        inside = source.is_relative_to(secret) and secret not in secrets.root
        if source == secret or inside:
            raise NotHidden(
                f"containers must see {source} to work, but {secret} is the hive's own and hidden "
                "from them: move one of the two, or choose another --root"
            )


def find_secrets(paths: Paths, files: Iterable[Path], mounts: Sequence[MountPoint]) -> Secrets:
    """Everything of the hive that a container must not see, at every place of the host."""
    agents = paths.root / "agents"
    links = [link for pattern in ("*", "*/*") for link in agents.glob(pattern) if link.is_symlink()]
    folders = (*paths.private_folders, *links)
    return Secrets(
        root=frozenset(everywhere(_real(paths.root), mounts)),
        folders=frozenset(
            place for path in folders if path.is_dir() for place in everywhere(_real(path), mounts)
        ),
        files=frozenset(
            place
            for path in (*paths.private_files, *files)
            for place in everywhere(_real(path), mounts)
        ),
    )


def everywhere(path: Path, mounts: Sequence[MountPoint]) -> Iterator[Path]:
    """The resolved `path`, and wherever else a mount shows it or a part of it."""
    yield path
    starts = [path, *(one.place for one in mounts if one.place != path and _below(one.place, path))]
    for start in starts:
        for place, part in other_places(start, mounts):
            try:
                if place not in starts and place.samefile(start / part):
                    yield place
            except OSError:
                continue  # hidden below another mount, or gone


def other_places(path: Path, mounts: Sequence[MountPoint]) -> Iterator[tuple[Path, Path]]:
    """Where the mounts show `path`, or a part of it (given relative to it); pure."""
    above = [one for one in mounts if _below(path, one.place)]
    if not above:
        return
    home = max(enumerate(above), key=lambda item: (len(item[1].place.parts), item[0]))[1]
    inner = home.source / path.relative_to(home.place)
    for one in mounts:
        if one.device == home.device and _below(inner, one.source):
            yield one.place / inner.relative_to(one.source), Path()
        elif one.device == home.device and _below(one.source, inner):
            yield one.place, one.source.relative_to(inner)


def _below(path: Path, folder: Path) -> bool:
    """What `path.is_relative_to(folder)` says, much faster: a host may have hundreds of mounts."""
    return path == folder or str(path).startswith(f"{str(folder).rstrip('/')}/")


def read_mounts() -> tuple[MountPoint, ...]:
    """The mounts that this process sees; raises OSError."""
    return parse_mounts(Path("/proc/self/mountinfo").read_bytes())


def parse_mounts(text: bytes) -> tuple[MountPoint, ...]:
    """Read the lines of a mountinfo file (proc(5)): spaces and the like are octal escapes."""
    found = []
    for line in text.splitlines():
        _, _, device, source, place, *_ = line.split(b" ")
        found.append(MountPoint(device.decode(), _unescape(source), _unescape(place)))
    return tuple(found)


def _unescape(word: bytes) -> Path:
    return Path(os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]), word)))


def _resolved(readonly: Iterable[Path]) -> Iterator[Step]:
    """Each where it really is, and by the name that it was given, which may lead over links."""
    for path in readonly:
        real = _real(path)
        yield Step(real, real)
        if real != path:
            yield Step(path, real)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
