"""What an agent must not see stays out of sight, wherever root, claude and Python lie."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from hive.containers import Bubblewrap, Container, NotHidden, System, runtime_folders
from hive.containers.mounts import HostMount, container_mounts, other_places, parse_mounts
from hive.daemon.claude import what_claude_needs

PLANTED = "planted-6b1f"
CODE = Path(__file__).parents[2]

# What a hive has that is not for agents: each place holds a file of a name that nothing else has.
FOLDERS = (
    "",
    "credentials",
    "agents/beta/state",
    "agents/beta/claude",
    "run/agents/beta",
    "run/keepers",
)
LOOK = f"find / -path /proc -prune -o -name '{PLANTED}*' -print 2>/dev/null; echo looked"


def plant(root: Path) -> None:
    for number, folder in enumerate(FOLDERS):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / f"{PLANTED}-{number}").write_text("secret")
    for name in ("hive.sqlite", "hive.toml", "run/control.sock", "run/agents/beta/hive.sock"):
        (root / name).write_text("secret")


def below_a_shown_folder(tmp: Path) -> tuple[Path, Path]:
    plant(tmp / "shown/root")
    return tmp / "shown/root", tmp / "shown"


def a_link_into_a_shown_folder(tmp: Path) -> tuple[Path, Path]:
    plant(tmp / "shown/deep/root")
    (tmp / "link").symlink_to(tmp / "shown/deep/root")
    return tmp / "link", tmp / "shown"


def by_a_linked_parent(tmp: Path) -> tuple[Path, Path]:
    plant(tmp / "shown/deep/root")
    (tmp / "parent").symlink_to("shown/deep")
    return tmp / "parent/root", tmp / "shown"


def by_dots(tmp: Path) -> tuple[Path, Path]:
    plant(tmp / "shown/root")
    (tmp / "other").mkdir()
    return tmp / "other/../shown/root", tmp / "shown"


def a_shown_folder_is_a_link(tmp: Path) -> tuple[Path, Path]:
    plant(tmp / "real/root")
    (tmp / "shown").symlink_to(tmp / "real")
    return tmp / "real/root", tmp / "shown"


def the_root_holds_what_is_shown(tmp: Path) -> tuple[Path, Path]:
    plant(tmp / "root")
    (tmp / "root/venv/bin").mkdir(parents=True)
    return tmp / "root", tmp / "root/venv"


def agents_on_another_disk(tmp: Path) -> tuple[Path, Path]:
    (tmp / "shown/agents").mkdir(parents=True)
    (tmp / "root").mkdir()
    (tmp / "root/agents").symlink_to(tmp / "shown/agents")
    plant(tmp / "root")
    return tmp / "root", tmp / "shown"


def credentials_elsewhere(tmp: Path) -> tuple[Path, Path]:
    (tmp / "shown/vault").mkdir(parents=True)
    (tmp / "root").mkdir()
    (tmp / "root/credentials").symlink_to(tmp / "shown/vault")
    plant(tmp / "root")
    return tmp / "root", tmp / "shown"


def one_agent_on_another_disk(tmp: Path) -> tuple[Path, Path]:
    (tmp / "shown/beta").mkdir(parents=True)
    (tmp / "root/agents").mkdir(parents=True)
    (tmp / "root/agents/beta").symlink_to("../../shown/beta")
    plant(tmp / "root")
    return tmp / "root", tmp / "shown"


SCENES = (
    below_a_shown_folder,
    a_link_into_a_shown_folder,
    by_a_linked_parent,
    by_dots,
    a_shown_folder_is_a_link,
    the_root_holds_what_is_shown,
    agents_on_another_disk,
    credentials_elsewhere,
    one_agent_on_another_disk,
)


async def look(root: Path, readonly: tuple[Path, ...], command: str = LOOK) -> str:
    handle = await Bubblewrap().start(
        Container("alpha", root, ("/bin/sh", "-c", command), {}, readonly)
    )
    with trio.fail_after(60):
        await handle.wait()
    return handle.log.read_text()


@pytest.mark.parametrize("scene", SCENES)
async def test_no_agent_finds_what_is_the_hives(
    scene: Callable[[Path], tuple[Path, Path]], tmp_path: Path
) -> None:
    root, shown = scene(tmp_path)
    (shown / "visible").write_text("")
    command = (
        f"{LOOK}; test -e {shown}/visible && echo sees; touch /agents/alpha/state/own && echo own"
    )
    assert (await look(root, (shown,), command)).split() == ["looked", "sees", "own"]


async def test_a_cover_cannot_be_lifted(tmp_path: Path) -> None:
    root, shown = below_a_shown_folder(tmp_path)
    lift = f"unshare -Urm sh -c 'umount {root} && echo lifted; {LOOK}' 2>/dev/null"
    assert await look(root, (shown,), lift) == "looked\n"


async def test_a_root_in_the_system_is_covered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, shown = by_a_linked_parent(tmp_path)
    host = System.of_host()
    system = System((*host.folders, str(shown)), host.links)
    monkeypatch.setattr(System, "of_host", lambda: system)
    assert await look(root, ()) == "looked\n"


BIND_MOUNTED = """
import sys, trio
from pathlib import Path
from hive.containers import Bubblewrap, Container

async def main():
    root, shown, command = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    container = Container("alpha", root, ("/bin/sh", "-c", command), {}, (shown,))
    handle = await Bubblewrap().start(container)
    await handle.wait()
    print(handle.log.read_text())

trio.run(main)
"""


@pytest.mark.parametrize("again", ["", "agents", "credentials"])
def test_a_bind_mount_of_the_hive_below_a_shown_folder_is_covered(
    tmp_path: Path, again: str
) -> None:
    root, shown = tmp_path / "root", tmp_path / "shown"
    plant(root)
    (shown / "again").mkdir(parents=True)
    outer = ("bwrap", "--dev-bind", "/", "/", "--bind", str(root / again), str(shown / "again"))
    script = (sys.executable, "-c", BIND_MOUNTED, str(root), str(shown), f"{LOOK}; ls {shown}")
    done = subprocess.run((*outer, *script), capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["looked", "again"], done.stderr


def test_mounts_are_compared_by_filesystem_and_folder() -> None:
    mounts = parse_mounts(
        b"1 0 8:1 / / rw - ext4 /dev/a rw\n"
        b"2 1 8:2 / /data rw shared:1 - ext4 /dev/b rw\n"
        b"3 1 8:2 /hive /opt/a\\040b rw - ext4 /dev/b rw\n"
        b"4 1 8:2 /hive/agents/x /opt/x rw - ext4 /dev/b rw\n"
        b"5 1 8:2 /other /opt/o rw - ext4 /dev/b rw\n"
    )
    assert mounts[2] == HostMount("8:2", Path("/hive"), Path("/opt/a b"))
    assert set(other_places(Path("/data/hive"), mounts)) == {
        (Path("/data/hive"), Path()),
        (Path("/opt/a b"), Path()),
        (Path("/opt/x"), Path("agents/x")),
    }
    assert (Path("/data/hive/agents"), Path()) in set(other_places(Path("/opt/a b/agents"), mounts))


@pytest.mark.parametrize(
    "at", ["agents/beta/state/claude", "run/claude", "credentials", "agents", "."]
)
async def test_what_cannot_be_hidden_stops_the_start(tmp_path: Path, at: str) -> None:
    root = tmp_path / "root"
    plant(root)
    (root / at).mkdir(exist_ok=True)
    with pytest.raises(NotHidden, match="hidden from them"):
        await look(root, (root / at,))


@pytest.mark.parametrize("name", ["hive.toml", "hive.sqlite"])
async def test_a_file_that_leads_into_a_shown_folder_stops_the_start(
    tmp_path: Path, name: str
) -> None:
    root, shown = tmp_path / "root", tmp_path / "shown"
    plant(root)
    shown.mkdir()
    (root / name).rename(shown / "elsewhere")
    (root / name).symlink_to(shown / "elsewhere")
    with pytest.raises(NotHidden, match=f"{shown}/elsewhere would be visible"):
        await look(root, (shown,))


def test_a_configuration_beside_claude_is_refused_before_anything_starts(tmp_path: Path) -> None:
    plant(tmp_path / "root")
    (tmp_path / "home").mkdir()
    config = tmp_path / "home/hive.toml"
    config.write_text("[credentials.default]\napi_key = 'secret'")
    container_mounts(tmp_path / "root", ("/usr",), [tmp_path / "home/claude"], [config])
    with pytest.raises(NotHidden, match="move it"):
        container_mounts(tmp_path / "root", ("/usr",), [tmp_path / "home"], [config])
    assert not (tmp_path / "root/agents/alpha").exists()


@pytest.mark.parametrize(
    ("binary", "needs"),
    [
        ("/home/me/claude", "/home/me/claude"),
        ("/h/.local/share/claude/versions/2.1.330", "/h/.local/share/claude/versions/2.1.330"),
        ("/v/site-packages/claude_agent_sdk/_bundled/claude", None),
        (
            "/n/lib/node_modules/@anthropic-ai/claude-code/bin/claude.exe",
            "/n/lib/node_modules/@anthropic-ai",
        ),
        (
            "/n/node_modules/a/node_modules/@anthropic-ai/x/claude",
            "/n/node_modules/a/node_modules/@anthropic-ai",
        ),
        ("/n/node_modules/claude", "/n/node_modules/claude"),
    ],
)
def test_of_claude_only_the_program_is_shown(binary: str, needs: str | None) -> None:
    assert what_claude_needs(Path(binary)) == Path(needs or binary)


async def test_claude_in_somebodys_home_shows_nothing_else_of_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / PLANTED).write_text("secret")
    (home / "claude").write_text("#!/bin/sh\necho claude runs\n")
    (home / "claude").chmod(0o755)
    log = await look(
        tmp_path / "root", (what_claude_needs(home / "claude"),), f"{home}/claude; {LOOK}"
    )
    assert log == "claude runs\nlooked\n"


SAY = """
import json
from hive.containers import runtime_folders

print(json.dumps([str(path) for path in runtime_folders()]))
"""


async def test_a_virtual_environment_in_somebodys_home_shows_nothing_else_of_it(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    venv.create(home, symlinks=True)
    (tmp_path / "versions").symlink_to(sys.base_prefix)  # as of a version manager
    (home / "bin/python3").unlink(missing_ok=True)
    (home / "bin/python3").symlink_to("../../versions/bin/python3")
    for secret in (home / ".ssh" / PLANTED, home / "lib" / PLANTED, home / PLANTED):
        secret.parent.mkdir(exist_ok=True)
        secret.write_text("secret")
    python = home / "bin/python3"
    paths = os.pathsep.join((str(CODE), sysconfig.get_path("purelib")))
    said = await trio.run_process(
        (python, "-c", SAY), env={"PYTHONPATH": paths}, capture_stdout=True
    )
    readonly = tuple(map(Path, json.loads(said.stdout)))
    run = f"{python} -c 'import sys, json; print(sys.prefix)'"
    assert await look(home / "hive", readonly, f"{run}; {LOOK}") == f"{home}\nlooked\n"


def test_the_prefix_of_this_python_is_not_shown_whole() -> None:
    shown = runtime_folders()
    assert Path(sys.prefix) not in shown and Path(sys.base_prefix) not in shown
