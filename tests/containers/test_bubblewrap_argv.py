"""The bubblewrap command as a value."""

from pathlib import Path

import pytest

from hive.containers import Container, NotHidden, System, bubblewrap_argv, folders
from hive.containers.mounts import HiddenPaths, Mount, plan

ROOT = Path("/srv/hive")
SYSTEM = System(folders=("/usr",), links=(("/bin", "usr/bin"),))


def build(
    root: Path = ROOT, readonly: tuple[Path, ...] = (), configures: tuple[str, ...] = ()
) -> tuple[str, ...]:
    container = Container("alpha", root, ("run", "--me"), readonly=readonly, configures=configures)
    hidden = HiddenPaths(frozenset([root]), frozenset([root / "agents"]), frozenset([root / "db"]))
    system = [Mount(Path(folder), Path(folder)) for folder in SYSTEM.folders]
    shown = plan(system, [Mount(path, path) for path in readonly], hidden)
    return bubblewrap_argv("bwrap", container, folders(root, "alpha"), root / "etc", SYSTEM, shown)


def mounts(argv: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Mount options in their order: (kind, source, place) or (kind, place)."""
    width = {"--bind": 3, "--ro-bind": 3, "--tmpfs": 2, "--proc": 2, "--dev": 2}
    width |= {"--bind-try": 3, "--ro-bind-try": 3}
    return [argv[i : i + width[word]] for i, word in enumerate(argv) if word in width]


def test_nothing_of_the_root_is_writable_but_this_agents_own() -> None:
    writable = [m[1:] for m in mounts(build()) if m[0] == "--bind"]
    assert writable == [
        ("/srv/hive/agents/alpha/state", "/agents/alpha/state"),
        ("/srv/hive/agents/alpha/harness", "/agents/alpha/harness"),
        ("/srv/hive/agents/alpha/claude", "/agents/alpha/claude"),
        ("/srv/hive/run/agents/alpha", "/run/hive"),
    ]


def test_configurations_its_own_to_read_and_those_of_others_to_change() -> None:
    argv = build(configures=("beta",))
    assert [m for m in mounts(argv) if m[0].endswith("-try")] == [
        ("--ro-bind-try", "/srv/hive/agents/alpha/config", "/agents/alpha/config"),
        ("--bind-try", "/srv/hive/agents/beta/config", "/agents/beta/config"),
    ]
    assert not [m for m in mounts(build()) if m[0] == "--bind-try"]


def test_a_root_below_a_shown_folder_is_covered_and_what_is_shown_in_it_is_not() -> None:
    inner = Path("/srv/hive/venv")
    argv = build(readonly=(inner, Path("/srv")))
    order = mounts(argv)
    cover = order.index(("--tmpfs", "/srv/hive"))
    assert order.index(("--ro-bind", "/srv", "/srv")) < cover
    assert cover < order.index(("--ro-bind", str(inner), str(inner)))
    closed = argv.index("--remount-ro")
    assert argv[closed + 1] == "/srv/hive" and argv.index(str(inner)) < closed


@pytest.mark.parametrize(
    "shown", ["/srv/hive", "/srv/hive/agents", "/srv/hive/agents/b", "/srv/hive/db"]
)
def test_what_is_the_hives_own_is_never_shown(shown: str) -> None:
    with pytest.raises(NotHidden, match="hive's own"):
        build(readonly=(Path(shown),))


def test_a_root_that_is_not_shown_needs_no_cover() -> None:
    assert ("--tmpfs", "/srv/hive") not in mounts(build(readonly=(Path("/opt/tool"),)))


def test_a_root_in_the_system_is_covered() -> None:
    root = Path("/usr/local/hive")
    order = mounts(build(root=root))
    assert order.index(("--ro-bind", "/usr", "/usr")) < order.index(("--tmpfs", str(root)))


def test_shown_folders_under_tmp_lie_over_the_private_tmp() -> None:
    order = mounts(build(readonly=(Path("/tmp/checkout"),)))
    assert order.index(("--tmpfs", "/tmp")) < order.index(
        ("--ro-bind", "/tmp/checkout", "/tmp/checkout")
    )


def test_the_command_comes_last_and_cannot_be_taken_for_options() -> None:
    assert build()[-3:] == ("--", "run", "--me")


@pytest.mark.parametrize("name", ["..", "", "A", "a/b", "-a", "ä", "operator", "a" * 32])
def test_names_that_could_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"name|reserved"):
        Container(name, ROOT, ("true",))
    with pytest.raises(ValueError, match=r"name|reserved"):
        folders(ROOT, name)


@pytest.mark.parametrize("path", ["/", "relative", "/opt/../etc"])
def test_what_may_not_be_shown_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="cannot be shown"):
        Container("alpha", ROOT, ("true",), readonly=(Path(path),))


@pytest.mark.parametrize("root", ["/", "relative"])
def test_a_root_must_be_absolute(root: str) -> None:
    with pytest.raises(ValueError, match="absolute"):
        Container("alpha", Path(root), ("true",))
