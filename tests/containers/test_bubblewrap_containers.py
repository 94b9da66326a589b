"""Real containers: what an agent can see and do in one, as root and as an ordinary user."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from hive.containers import Bubblewrap, Container, ExitStatus, runtime_folders
from hive.containers.bubblewrap import hiding

ORDINARY_UID = 70001
USERS = ("root", "ordinary") if os.geteuid() == 0 else ("ordinary",)

# Becomes an ordinary user after its imports, which that user may be unable to read.
AS_USER = """
import os, sys, trio, trio._core._thread_cache
from pathlib import Path
from hive.containers import Bubblewrap, Container

uid, root, name, script = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
if os.geteuid() == 0 and uid != 0:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)

async def main():
    handle = await Bubblewrap().start(Container(name, root, ("/bin/sh", "-c", script)))
    status = await handle.wait()
    print(status, handle.log.read_text())

trio.run(main)
"""


@pytest.fixture(scope="module", params=USERS)
def shared_root(request: pytest.FixtureRequest) -> Iterator[tuple[int, Path]]:
    """A root of that user, with a secret of the hive and another agent in it."""
    uid = ORDINARY_UID if request.param == "ordinary" and os.geteuid() == 0 else os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "hive.sqlite").touch()
        (root / "agents" / "beta" / "state").mkdir(parents=True)
        (root / "run" / "agents" / "beta").mkdir(parents=True)
        (root / "run" / "agents" / "beta" / "hive.sock").touch()
        for path in (root, *root.rglob("*")):
            os.chown(path, uid, uid)
        yield uid, root


def run_as(uid: int, root: Path, script: str) -> str:
    log = root / "agents" / "alpha" / "harness" / "harness.log"
    log.unlink(missing_ok=True)
    command = [sys.executable, "-c", AS_USER, str(uid), str(root), "alpha", script]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.rstrip()


def test_an_agent_sees_its_own_and_nothing_else(shared_root: tuple[int, Path]) -> None:
    uid, root = shared_root
    checks = {
        "own state is writable": "echo note > /agents/alpha/state/note",
        "own harness folder is writable": "echo x > /agents/alpha/harness/x",
        "own home is writable": "echo x > /agents/alpha/claude/x",
        "own socket folder is writable": "echo x > /run/hive/x",
        "private tmp": "echo x > /tmp/x && test -z \"$(ls -A /tmp | grep -v '^x$')\"",
        "no other agent": 'test "$(ls /agents)" = alpha',
        "no other socket": "test ! -e /run/hive/hive.sock",
        "no root folder": f"test ! -e {root}",
        "no shadow": "test ! -e /etc/shadow && test ! -e /etc/gshadow",
        "no private keys": "test ! -e /etc/ssl/private",
        "names work": 'test "$(id -un)" = agent && test "$(id -u)" = 1000',
        "home of the user": "grep -q :/agents/alpha/claude: /etc/passwd",
        "host name": 'test "$(uname -n)" = alpha',
        "no host process": f"test ! -e /proc/{os.getpid()} && test -e /proc/1",
        "few processes": 'test "$(ls /proc | grep -c "^[0-9]")" -lt 8',
        "no process to signal": f"! kill -0 {os.getpid()}",
        "system is read-only": "! touch /usr/x && ! touch /etc/x && ! touch /x",
        "kernel settings are read-only": "test ! -w /proc/sys/kernel/core_pattern",
        "no capabilities": "grep -q 'CapEff:.0000000000000000' /proc/self/status",
        "no new privileges": "grep -q 'NoNewPrivs:.1' /proc/self/status",
        "no lock": 'test "$(ls /proc/self/fd | wc -l)" -le 4',
        "scrubbed environment": 'test -z "$PYTEST_CURRENT_TEST$OLDPWD"',
        "interruptible": "grep -q '^SigIgn:.*[08]0000000$' /proc/self/status",  # not 32, glibc's
        "no mounts of its own": "! unshare -Urm umount /etc/passwd",
    }
    script = "\n".join(
        f"({check}) 2>/dev/null || echo 'FAILED: {name}'" for name, check in checks.items()
    )
    output = run_as(uid, root, script + "\necho done")
    assert output.split("\n")[0] == "exited with 0 done", output
    assert (root / "agents" / "alpha" / "state" / "note").read_text() == "note\n"


def test_a_harness_hides_its_places_from_what_it_starts(shared_root: tuple[int, Path]) -> None:
    uid, root = shared_root
    checks = {
        "no secret": "test ! -e /agents/alpha/harness/secret",
        "no socket": "test -d /run/hive && test ! -e /run/hive/hive.sock",
        "nothing to write there": "! touch /agents/alpha/harness/x",
        "state is writable": "echo note > /agents/alpha/state/hidden",
        "not through proc": '! ls "/proc/$HARNESS/root/agents" && ! ls "/proc/$HARNESS/cwd"',
        "not by its environment": '! cat "/proc/$HARNESS/environ"',
        "not by a namespace of its own": (
            "! unshare -Urm sh -c 'cd /agents/alpha; umount harness; test -e harness/secret'"
        ),
    }
    inner = "\n".join(
        f'({check}) 2>/dev/null || echo "FAILED: {name}"' for name, check in checks.items()
    )
    command = " ".join(
        f"'{word}'" for word in (*hiding("alpha"), "/bin/sh", "/agents/alpha/state/inner")
    )
    script = f"""
    echo secret > /agents/alpha/harness/secret; echo > /run/hive/hive.sock
    cat > /agents/alpha/state/inner <<'END'
{inner}
exit 42
END
    HARNESS=$$ {command}
    echo "inner $?"
    test -e /agents/alpha/harness/secret && echo done
    """
    output = run_as(uid, root, script)
    assert output.splitlines() == ["exited with 0 inner 42", "done"], output


async def run(container: Container) -> tuple[ExitStatus, str]:
    handle = await Bubblewrap().start(container)
    with trio.fail_after(20):
        status = await handle.wait()
    return status, handle.log.read_text()


async def test_our_python_runs_inside(root: Path) -> None:
    script = "import os, sys, trio, hive.wire, harness; print(os.getcwd(), *sys.path)"
    command = (sys.executable, "-c", script)
    status, log = await run(Container("alpha", root, command, {}, runtime_folders()))
    assert status.code == 0, log
    assert log.startswith("/ ")
    assert "/agents" not in log  # Python must import nothing that an agent could have written


async def test_a_container_ends_whole_with_its_first_process(root: Path, probe: Any) -> None:
    go = "/agents/alpha/state/go"
    script = (
        "setsid sleep 98761 & (setsid env -i sleep 98761 &) ; "
        f"while [ ! -e {go} ]; do sleep 0.01; done; exit 4"
    )
    handle = await Bubblewrap().start(Container("alpha", root, ("/bin/sh", "-c", script)))
    with trio.fail_after(5):
        await probe.until(lambda: len(probe.running("98761")) == 2)
        (root / "agents" / "alpha" / "state" / "go").touch()
        status = await handle.wait()
    assert (status.code, status.signal) == (4, None)
    assert probe.running("98761") == []


async def test_a_very_deep_root_works(root: Path) -> None:
    root = root.joinpath(*["deep" * 50] * 4)
    command = ("/bin/sh", "-c", "echo here > /run/hive/file && cat /run/hive/file")
    status, log = await run(Container("alpha", root, command))
    assert (status.code, log) == (0, "here\n")
    assert (root / "run" / "agents" / "alpha" / "file").read_text() == "here\n"


async def test_who_may_see_and_change_configurations(root: Path) -> None:
    for name in ("alpha", "beta", "gamma"):
        (root / "agents" / name / "config").mkdir(parents=True)
        (root / "agents" / name / "config" / "agent.toml").write_text(f"{name}\n")
    (root / "agents" / "beta" / "state").mkdir()
    script = """
    cat /agents/*/config/agent.toml; ls /agents /agents/beta
    echo changed > /agents/beta/config/agent.toml
    for path in /agents/alpha/config /agents/beta /agents; do
        touch $path/x 2>/dev/null && echo "FAILED: $path"
    done
    mv /agents/beta/config /agents/beta/other 2>/dev/null && echo "FAILED: moved"
    exit 0
    """
    others = ("beta", "nobody")
    container = Container("alpha", root, ("/bin/sh", "-c", script), configures=others)
    status, log = await run(container)
    assert status.code == 0
    assert log.split() == ["alpha", "beta", "/agents:", "alpha", "beta", "/agents/beta:", "config"]
    assert (root / "agents/beta/config/agent.toml").read_text() == "changed\n"


async def test_a_root_inside_a_shown_folder_stays_hidden(root: Path) -> None:
    (root / "agents" / "beta").mkdir(parents=True)
    (root.parent / "shown").touch()
    script = f"test -e {root.parent}/shown && ls -A {root} && touch /agents/alpha/state/x"
    shown = (root.parent,)
    status, log = await run(Container("alpha", root, ("/bin/sh", "-c", script), {}, shown))
    assert (status.code, log) == (0, "")


async def test_what_bubblewrap_refuses_is_in_the_log(root: Path) -> None:
    missing = (Path("/nowhere/at/all"),)
    status, log = await run(Container("alpha", root, ("/bin/true",), {}, missing))
    assert status.code == 1
    assert "/nowhere/at/all" in log


@pytest.fixture
def passable(tmp_path: Path) -> Iterator[Path]:
    """A folder that other users could pass, unlike pytest's: links are judged by their path."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


FOLLOWER = """
state=/agents/alpha/state
until grep -q 10.0.0.2 /etc/resolv.conf && grep -q printer /etc/hosts; do sleep 0.01; done
id -un > $state/seen
until test ! -e /etc/nsswitch.conf; do sleep 0.01; done
id -un >> $state/seen
"""


async def test_a_running_container_follows_the_hosts_network(passable: Path, root: Path) -> None:
    """As systemd-resolved does it: a link into /run, where the file is replaced as a whole."""
    etc, resolved = passable / "etc", passable / "run" / "stub-resolv.conf"
    for folder in (etc, resolved.parent):
        folder.mkdir()
    for file in ("passwd", "group", "hosts", "nsswitch.conf"):
        (etc / file).touch(0o644)
    resolved.write_text("nameserver 10.0.0.1")
    (etc / "resolv.conf").symlink_to(resolved)
    driver = Bubblewrap(etc=etc)
    handle = await driver.start(Container("alpha", root, ("/bin/sh", "-c", FOLLOWER)))
    await driver.refresh(root)
    replace(resolved, "nameserver 10.0.0.2")
    replace(etc / "hosts", "10.0.0.9 printer")
    (etc / "passwd").write_text("root:x:0:0:the host's:/root:/bin/sh\n")
    await driver.refresh(root)
    seen = root / "agents" / "alpha" / "state" / "seen"
    with trio.fail_after(10):
        while not (seen.exists() and seen.read_text()):  # noqa: ASYNC110 - another process
            await trio.sleep(0.01)
        (etc / "nsswitch.conf").unlink()
        await driver.refresh(root)
        assert (await handle.wait()).code == 0
    assert seen.read_text() == "agent\nagent\n"


def replace(file: Path, text: str) -> None:
    new = file.with_name("new")
    new.write_text(text)
    new.replace(file)


async def test_another_daemon_follows_for_adopted_containers(passable: Path, root: Path) -> None:
    etc = passable / "etc"
    etc.mkdir()
    (etc / "hosts").write_text("old")
    script = "until grep -q new /etc/hosts; do sleep 0.01; done"
    handle = await Bubblewrap(etc=etc).start(Container("alpha", root, ("/bin/sh", "-c", script)))
    (etc / "hosts").write_text("new")
    await Bubblewrap(etc=etc).refresh(root)
    with trio.fail_after(10):
        assert (await handle.wait()).code == 0
