"""What of this installation a container must see to run our code."""

import importlib.util
import sys
from pathlib import Path


def runtime_folders(*more: Path) -> tuple[Path, ...]:
    """Folders for `Container.readonly`: this Python, its packages, ours, and `more`.

    What lies under /usr is left out, because a container sees that anyway.
    """
    wanted = [Path(sys.base_prefix), Path(sys.base_prefix).resolve(), Path(sys.prefix)]
    for package in ("hive", "harness"):
        spec = importlib.util.find_spec(package)
        if spec is not None:
            wanted += [Path(place) for place in spec.submodule_search_locations or ()]
    wanted += more
    return tuple(sorted({path for path in wanted if not _covered(path, wanted)}))


def _covered(path: Path, others: list[Path]) -> bool:
    return path.is_relative_to("/usr") or any(
        path != other and path.is_relative_to(other) for other in others
    )
