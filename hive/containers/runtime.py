"""What of this installation a container must see to run our code."""

import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path


def runtime_folders(*more: Path) -> tuple[Path, ...]:
    """Files and folders for `Container.readonly`: this Python, its packages, ours, and `more`.

    Not the whole prefix of an installation, which may be somebody's home. What lies under /usr is
    left out, because a container sees that anyway.
    """
    wanted = [*_interpreter(Path(sys.base_prefix)), *_environment(Path(sys.prefix)), *more]
    for package in ("hive", "harness"):
        spec = importlib.util.find_spec(package)
        if spec is not None:
            wanted += [Path(place) for place in spec.submodule_search_locations or ()]
    there = {Path(os.path.normpath(path.absolute())) for path in wanted if path.exists()}
    return tuple(sorted(path for path in there if not _covered(path, there)))


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


def _covered(path: Path, others: set[Path]) -> bool:
    """Whether another one, or the system, shows it already; a link there shows only itself."""
    return any(
        other in path.parents and path.resolve().is_relative_to(other.resolve())
        for other in (Path("/usr"), *others)
    )
