"""The rules about the code as a whole: who may import whom, and what no file may contain."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("hive", "harness", "web")
MAX_LINES = 700
FEW_LINES = 40
ROLES = {"__init__", "__main__", "errors", "policy", "rows"}
"""Files that are named for their role in their package, and are looked for there however short."""

# A unit is a package below hive (or a module such as hive.paths), or harness, or web.
# Units that are not named here are the daemon's insides, free to import each other without a cycle.
BORDER = {
    "hive.address",
    "hive.actors",
    "hive.clock",
    "hive.files",
    "hive.link",
    "hive.logs",
    "hive.output",
    "hive.paths",
    "hive.processes",
    "hive.rate",
    "hive.redact",
    "hive.rlimits",
    "hive.strict",
    "hive.supervision",
    "hive.supervisors",
    "hive.text",
    "hive.uncontended",
    "hive.wire",
}
ALLOWED: dict[str, set[str]] = {
    "hive": set(),
    "hive.address": set(),
    "hive.actors": set(),
    "hive.beneath": {"hive.files", "hive.text"},
    "hive.approvals": {
        "hive.agent_config",
        "hive.alarm",
        "hive.broker",
        "hive.config_repos",
        "hive.directory",
        "hive.git",
        "hive.store",
        "hive.supervisors",
        "hive.wire",
    },
    "hive.deployments": {"hive.approvals", "hive.directory", "hive.supervisors", "hive.wire"},
    "hive.lifecycle": {"hive.deployments", "hive.wire"},
    "hive.agent_config": {"hive.files", "hive.text", "hive.wire"},
    "hive.directory": {"hive.store", "hive.wire"},
    "hive.clock": set(),
    "hive.config_repos": {"hive.beneath", "hive.containers", "hive.git", "hive.paths", "hive.text"},
    "hive.git": {"hive.text"},
    "hive.supervisors": {"hive.actors"},
    "hive.strict": {"hive.text"},
    "hive.supervision": {"hive.supervisors", "hive.wire"},
    "hive.text": set(),
    "hive.wire": {"hive.strict"},
    "hive.link": {"hive.supervisors", "hive.uncontended", "hive.wire"},
    "hive.logs": {"hive.output", "hive.rate"},
    "hive.paths": {"hive.wire"},
    "hive.files": set(),
    "hive.output": set(),
    "hive.processes": set(),
    "hive.rate": set(),
    "hive.redact": set(),
    "hive.rlimits": set(),
    "hive.uncontended": set(),
    "hive.demo": {"hive.logs", "hive.output", "hive.strict"},
    # The daemon only to start and stop it: see the test below.
    "hive.cli": BORDER | {"hive.agent_config", "hive.daemon"},
    "harness": BORDER,
    "web": BORDER,
}


def sources() -> list[Path]:
    return [
        path
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if "node_modules" not in path.parts
    ]


def module_of(path: Path) -> tuple[str, ...]:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports(text: str, module: tuple[str, ...], is_package: bool) -> Iterator[str]:
    """Every name that the source imports, absolute; `from a import b` yields a and a.b."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module[: len(module) - node.level + is_package] if node.level else ()
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def unit_of(name: str, known: set[str]) -> str | None:
    """The unit that a module or a name in a module belongs to; None when it is not ours."""
    head, _, rest = name.partition(".")
    if head not in PACKAGES:
        return None
    candidate = f"{head}.{rest.partition('.')[0]}"
    return candidate if head == "hive" and candidate in known else head


@cache
def files() -> dict[str, Path]:
    """Every module by its dotted name; a package is its `__init__.py`."""
    return {".".join(module_of(path)): path for path in sources()}


def imported_by(path: Path) -> set[str]:
    """The dotted names of all modules of ours that the file at `path` imports."""
    names = imports(path.read_text("utf-8"), module_of(path), path.name == "__init__.py")
    return {name for name in names if name in files()}


@cache
def graph() -> dict[str, set[str]]:
    """For each unit, the other units that it imports.

    A bare `import harness` counts for nothing: it only tells where the package is installed.
    """
    known = {f"hive.{child.stem}" for child in (ROOT / "hive").iterdir() if child.stem[0] != "_"}
    found: dict[str, set[str]] = {}
    for path in sources():
        module = module_of(path)
        unit = unit_of(".".join(module), known)
        assert unit is not None
        is_package = path.name == "__init__.py"
        names = imports(path.read_text("utf-8"), module, is_package)
        targets = {to for name in names if name not in PACKAGES and (to := unit_of(name, known))}
        found.setdefault(unit, set()).update(targets - {unit, "hive"})
    return found


def test_import_arrows() -> None:
    wrong = {
        unit: sorted(targets - ALLOWED[unit])
        for unit, targets in graph().items()
        if unit in ALLOWED and targets - ALLOWED[unit]
    }
    assert not wrong, f"these units import what they must not know: {wrong}"


def test_only_the_commands_that_start_and_stop_it_import_the_daemon() -> None:
    for path in (ROOT / "hive/cli").rglob("*.py"):
        names = set(imports(path.read_text("utf-8"), module_of(path), path.name == "__init__.py"))
        assert path.name == "up.py" or not any(n.startswith("hive.daemon") for n in names), path


def test_the_daemon_imports_neither_harness_nor_web_nor_the_command_line() -> None:
    wrong = {
        unit: sorted(targets & {"harness", "web", "hive.cli"})
        for unit, targets in graph().items()
        if targets & {"harness", "web", "hive.cli"}
    }
    assert not wrong, f"these units import a process of its own: {wrong}"


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """The names of one cycle of a graph, the first again at its end; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_units_import_each_other_without_a_cycle() -> None:
    assert not cycle(graph())


def test_files_import_each_other_without_a_cycle() -> None:
    """Also what is imported for the type checker alone: a small protocol cuts such a circle."""
    plain = {name: path for name, path in files().items() if path.name != "__init__.py"}
    assert not cycle({name: imported_by(path) & plain.keys() for name, path in plain.items()})


def test_rooms_of_the_harness_import_each_other_without_a_cycle() -> None:
    """A room is a folder of `harness/`; a file beside them is a room of its own."""
    files = [path for path in sources() if module_of(path)[0] == "harness" and module_of(path)[1:]]
    rooms: dict[str, set[str]] = {}
    for path in files:
        module, is_package = module_of(path), path.name == "__init__.py"
        names = imports(path.read_text("utf-8"), module, is_package)
        rooms.setdefault(module[1], set()).update(
            name.split(".")[1] for name in names if name.startswith("harness.")
        )
    assert not cycle({room: (to & rooms.keys()) - {room} for room, to in rooms.items()})


def test_a_cycle_is_found() -> None:
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    assert not cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import hive.broker.leases as x", {"hive.broker"}),
        ("from hive import broker", {"hive.broker", "hive"}),
        ("from .. import store", {"hive.store", "hive"}),
        ("from ..store import Store", {"hive.store"}),
        ("from .inner import x", {"hive.wire"}),
        ("def f():\n    from web import app", {"web"}),
        ("import trio", {None}),
    ],
)
def test_every_form_of_import_is_seen(text: str, expected: set[str | None]) -> None:
    known = {"hive.broker", "hive.store", "hive.wire"}
    found = {unit_of(name, known) for name in imports(text, ("hive", "wire", "codec"), False)}
    assert found == expected


@pytest.mark.parametrize("banned", ["asyncio", "claude_agent_sdk"])
def test_banned_imports(banned: str) -> None:
    guilty = [
        str(path.relative_to(ROOT))
        for path in sources()
        for name in imports(path.read_text("utf-8"), module_of(path), path.name == "__init__.py")
        if name.split(".")[0] == banned
    ]
    assert not guilty, f"{banned} is imported by {guilty}"


def test_no_file_is_longer_than_one_concept() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in sources()
    }
    long = {name: lines for name, lines in lengths.items() if lines > MAX_LINES}
    assert not long, f"more than {MAX_LINES} lines; a concept wants out: {long}"


def test_no_file_is_a_splinter() -> None:
    """A short file that one other file alone imports is a part of that one: join them.

    Not meant are the files that a package exports, those of a role, and those of a subject, which
    has its name in `hive/wire/` (a file of each for the wire, the operator and the command line).
    """
    importers: dict[str, set[str]] = {}
    for name, path in files().items():
        for imported in imported_by(path) - {name}:
            importers.setdefault(imported, set()).add(name)
    subjects = {path.stem for path in (ROOT / "hive" / "wire").glob("*.py")}
    splinters = []
    for name, path in files().items():
        lines, package = len(path.read_text("utf-8").splitlines()), name.rpartition(".")[0]
        users = importers.get(name, set())
        if lines < FEW_LINES and path.stem not in ROLES | subjects and package not in users:
            splinters += [
                f"{path.relative_to(ROOT)} has {lines} lines and is a part of {user}"
                for user in users
                if len(users) == 1
            ]
    assert not splinters, "\n".join(splinters)


def test_a_public_class_name_exists_once() -> None:
    """Who reads a name must not have to ask which of two things it means."""
    places: dict[str, list[str]] = {}
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    twice = [f"{name}: {', '.join(at)}" for name, at in sorted(places.items()) if len(at) > 1]
    assert not twice, "rename all but one:\n" + "\n".join(twice)


def test_no_requirement_or_lock_file_names_a_download_host() -> None:
    files = [
        ROOT / "pyproject.toml",
        *(ROOT / "requirements").iterdir(),
        *(ROOT / "web" / "page").glob("package*.json"),
        *(ROOT / "web" / "page").glob(".npmrc"),
    ]
    # Funding addresses in npm's lock file are pages to read, nothing is fetched from them.
    address = re.compile(
        r'(?<!"url": ")https?://|\b(?:extra-)?index-url\b|"resolved"|^registry', re.M
    )
    named = {
        str(path.relative_to(ROOT)): found
        for path in files
        if (found := address.findall(path.read_text("utf-8")))
    }
    assert not named, f"which mirror serves a package is the machine's own setting: {named}"
