"""`hive login` against a daemon's socket: what is kept, who is told, and who must not see it."""

import os
import pty
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import trio
from attrs import evolve

from hive.agents import Agent
from hive.agents import socket as agent_socket
from hive.containers import Bubblewrap, UnsafeProcess
from hive.credentials import BadCredential, NamedCredential, Variables, keep, kept, resolve
from hive.daemon import control
from hive.daemon.claude import find_claude
from hive.daemon.config import parse
from hive.daemon.hive import Hive, Options, build
from hive.directory import AgentRecord
from hive.link import Peer, Session, connect
from hive.paths import Paths
from hive.supervisors import Context
from hive.wire.bodies import Body
from hive.wire.codec import PROTOCOL, encode
from hive.wire.frames import Hello
from hive.wire.harness import HarnessSettings

REPOSITORY = Path(__file__).parents[2]
TOKEN = "sk-ant-oat01-not-a-real-token"
KEY = "sk-ant-api03-not-a-real-key"
CONFIG = """
[claude]
fallback_models = ["one", "two"]
[credentials.default]
api_key = "of-the-file"
[credentials.work]
api_key = "of-work"
"""
CLAUDE = """#!/bin/sh
case "$1 $2" in
"auth login")
    printf 'home %s of %s\\033]0;title\\007\\n' "$HOME" "$(env | cut -d= -f1 | sort | tr '\\n' ' ')"
    test -e "$HOME/../harness" && echo 'sees its harness'
    printf 'code> '
    read code
    test "$code" = good && touch "$HOME/login"
    test "$code" = good -o "$code" = forged
    ;;
"auth status")
    test -e "$HOME/login" && echo '{"loggedIn": true}' && exit
    echo '{"loggedIn": false}'
    ;;
"auth logout") rm "$HOME/login" ;;
esac
"""


class Harness(Session):
    """Collects what the daemon tells a harness."""

    pushes = HarnessSettings

    def __init__(self) -> None:
        self._send, self.told = trio.open_memory_channel[HarnessSettings](8)

    def pushed(self, peer: Peer, body: Body) -> None:
        assert isinstance(body, HarnessSettings)
        self._send.send_nowait(body)


class Scene:
    """The daemon's parts that a login needs, with the agent `scout`, whose harness is the test."""

    def __init__(self, hive: Hive, nursery: trio.Nursery) -> None:
        self.hive, self.nursery = hive, nursery
        self.changed: list[str] = []
        """Whose limits were to be tried again."""

    @property
    def root(self) -> Path:
        return self.hive.options.paths.root

    async def agent(self, driver: str = "bubblewrap", credential: str = "default") -> Agent:
        record = AgentRecord(name := "scout", driver, credential=credential)
        await self.hive.directory.create(record)
        agent = Agent(name, self.hive.fleet.dependencies)
        self.hive.fleet.live[name] = agent
        await started(self.nursery, partial(agent_socket.run, agent=agent))
        return agent

    def harness(self, session: Session):  # type: ignore[no-untyped-def]
        return connect(
            self.hive.options.paths.socket("scout"), Hello(PROTOCOL, "harness", "i"), session
        )

    async def login(
        self, *arguments: str, stdin: str = "", command: str = "login"
    ) -> "subprocess.CompletedProcess[bytes]":
        return await trio.run_process(
            [*HIVE, command, "--root", str(self.root), *arguments],
            stdin=stdin.encode(),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            cwd=REPOSITORY,
            env=ENVIRONMENT,
        )

    async def stored(self) -> list[AgentRecord]:
        """Every agent as the table has it."""
        await self.hive.directory.load()
        return list(self.hive.directory.known.values())

    async def audit(self) -> list[tuple[str, str, str]]:
        return [(one.action, one.target, one.detail) for one in await self.hive.audit.newest(9)]


HIVE = (sys.executable, "-c", "from hive.cli import main; main()")
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent"}
ENVIRONMENT |= {"HIVE_SECRET": "not for the CLI", "TERM": "xterm"}


async def started(nursery: trio.Nursery, run) -> None:  # type: ignore[no-untyped-def]
    ready = trio.Event()
    ctx = Context("hive/agents/scout/socket", on_ready=lambda _: ready.set())
    nursery.start_soon(run, ctx)
    with trio.fail_after(10):
        await ready.wait()


@pytest.fixture
def claude(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A CLI that logs in when it is given the code `good`; as parameter `real` the real one."""
    if hasattr(request, "param"):
        return find_claude(None, path="")
    path = tmp_path / "bin" / "claude"
    path.parent.mkdir()
    path.write_text(CLAUDE)
    path.chmod(0o755)
    return path


@pytest.fixture
async def scene(tmp_path: Path, claude: Path) -> AsyncIterator[Scene]:
    paths = Paths(tmp_path / "root")
    paths.prepare()
    config = parse(CONFIG)
    drivers = {kind.name: kind for kind in (Bubblewrap(), UnsafeProcess(allowed=True))}
    hive = build(Options(paths, config, resolve(config.credentials, {}), claude, drivers))
    async with trio.open_nursery() as nursery:
        scene = Scene(hive, nursery)

        async def changed(key: str) -> None:
            scene.changed.append(key)

        scene.hive = hive = evolve(hive, logins=evolve(hive.logins, changed=changed))
        for run in (hive.store.run, hive.broker.run, control.operator(hive)):
            await started(nursery, run)
        yield scene
        nursery.cancel_scope.cancel()


async def test_a_token_is_kept_told_to_its_agents_and_in_no_other_place(scene: Scene) -> None:
    await scene.agent()
    session = Harness()
    async with scene.harness(session) as (_, welcome):
        assert welcome.settings is not None
        assert welcome.settings.environment == (("ANTHROPIC_API_KEY", "of-the-file"),)
        assert welcome.settings.fallback_models == ("one", "two")
        ended = await scene.login("--credential", "default", stdin=f"{TOKEN}\n")
        assert ended.returncode == 0, ended.stderr
        with trio.fail_after(5):
            settings = await session.told.receive()
    assert settings.environment == (("CLAUDE_CODE_OAUTH_TOKEN", TOKEN),)
    assert scene.changed == ["default"]
    assert await scene.audit() == [("login", "default", "credential, OAuth token")]

    file = scene.hive.options.paths.credentials / "default"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    again = resolve(parse(CONFIG).credentials, {}, kept(file.parent))
    assert again.environment("default") == settings.environment
    assert again.environment("work") == (("ANTHROPIC_API_KEY", "of-work"),)

    places = [one for one in scene.root.rglob("*") if one.is_file() and one != file]
    assert places
    said = [ended.stdout, ended.stderr, repr(scene.hive.access.api).encode()]
    assert not [one for one in places if TOKEN.encode() in one.read_bytes()]
    assert not [one for one in said if TOKEN.encode() in one]


async def test_agents_of_another_credential_are_left_alone(scene: Scene) -> None:
    await scene.agent()
    session = Harness()
    async with scene.harness(session):
        assert (await scene.login("--credential", "work", stdin=KEY)).returncode == 0
        assert (await scene.login("--credential", "new", stdin=KEY)).returncode == 0
        with pytest.raises(trio.WouldBlock):
            session.told.receive_nowait()
    assert scene.hive.access.api.environment("new") == (("ANTHROPIC_API_KEY", KEY),)
    assert scene.changed == ["work", "new"]


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "says"),
    [
        (("--credential", "work"), "a-secret", 2, "say --api-key or --oauth-token"),
        (("--credential", "work"), "\n", 1, "nothing was given"),
        (("--credential", "work", "--api-key"), "a-secret b", 1, "one word"),
        (("--credential", "own", "--api-key"), "a-secret", 1, "own login"),
        (("--credential", "work", KEY), "", 2, "does not belong on the command line"),
        (("a-secret:b",), "", 2, "that is not a name"),
        (("--credential", "work", "--token-file", "/nonexistent"), "", 1, "cannot be read"),
        (("scout", "--credential", "work"), "", 2, "NAME of an agent, or --credential"),
        ((), "", 2, "NAME of an agent, or --credential"),
        (("scout", "--api-key"), "a-secret", 2, "--use C"),
        (("scout", "--use", "nothing"), "", 1, "there are: default, own, work"),
        (("nobody",), "", 1, "there is no agent 'nobody'"),
        (("scout",), "", 2, "needs a terminal"),
    ],
)
async def test_what_is_wrong_is_said_without_the_secret(
    scene: Scene, arguments: tuple[str, ...], stdin: str, code: int, says: str
) -> None:
    await scene.agent()
    before = scene.hive.access.api
    ended = await scene.login(*arguments, stdin=stdin)
    assert (ended.returncode, ended.stdout) == (code, b"")
    assert says in ended.stderr.decode()
    assert b"a-secret" not in ended.stderr
    assert KEY.encode() not in ended.stderr
    assert scene.hive.access.api == before
    assert scene.changed == []


async def test_a_file_and_a_flag_tell_what_it_is(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("without-a-prefix\n")
    arguments = ("--credential", "work", "--oauth-token", "--token-file", str(file))
    assert (await scene.login(*arguments)).returncode == 0
    assert scene.hive.access.api.environment("work") == (
        ("CLAUDE_CODE_OAUTH_TOKEN", "without-a-prefix"),
    )


@pytest.mark.parametrize(
    ("credential", "environment"),
    [("work", (("ANTHROPIC_API_KEY", "of-work"),)), ("gone", ()), ("own", ())],
)
async def test_an_agent_gets_its_own_credential_or_none(
    scene: Scene, credential: str, environment: tuple[tuple[str, str], ...]
) -> None:
    await scene.agent(credential=credential)
    assert [one.credential for one in await scene.stored()] == [credential]
    async with scene.harness(Harness()) as (_, welcome):
        assert welcome.settings is not None
        assert welcome.settings.environment == environment


async def test_what_changes_while_a_harness_connects_reaches_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.agent()
    access = scene.hive.access

    def environment(name: str) -> Variables:
        """What is in force, which changes right after."""
        found = access.api.environment(name)
        access.use(access.api.with_(NamedCredential("default", oauth_token="newer"), "test"))
        return found

    monkeypatch.setattr(access, "environment", environment)
    session = Harness()
    async with scene.harness(session) as (_, welcome):
        assert welcome.settings is not None
        assert welcome.settings.environment == (("ANTHROPIC_API_KEY", "of-the-file"),)
        with trio.fail_after(5):
            told = await session.told.receive()
    assert told.environment == (("CLAUDE_CODE_OAUTH_TOKEN", "newer"),)


async def test_an_agent_of_an_unknown_credential_is_not_created(scene: Scene) -> None:
    ended = await scene.login("scout", "--credential", "wrok", command="spawn")
    assert ended.returncode == 1
    assert b"there are: default, own, work" in ended.stderr
    assert await scene.stored() == []


async def test_at_a_terminal_it_is_asked_for_without_echo(scene: Scene) -> None:
    code, seen = await at_terminal(
        scene, b"(not shown): ", f"{KEY}\n".encode(), "--credential", "work"
    )
    assert code == 0, seen
    assert KEY not in seen
    assert scene.hive.access.api.environment("work") == (("ANTHROPIC_API_KEY", KEY),)


async def test_without_a_daemon_it_is_3(tmp_path: Path) -> None:
    ended = await trio.run_process(
        [*HIVE, "login", "--root", str(tmp_path), "--credential", "work"],
        stdin=KEY.encode(),
        capture_stderr=True,
        check=False,
        cwd=REPOSITORY,
        env=ENVIRONMENT,
    )
    assert ended.returncode == 3


# --- an agent's own login ----------------------------------------------------------------------


class Terminal:
    """A terminal at which somebody types."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        os.set_blocking(self.master, False)
        self.seen = b""

    async def wait_for(self, wanted: bytes) -> None:
        with trio.fail_after(30):
            while wanted not in self.seen:
                await trio.lowlevel.wait_readable(self.master)
                self.seen += os.read(self.master, 4096)

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def drain(self) -> str:
        try:
            while True:
                self.seen += os.read(self.master, 4096)
        except BlockingIOError:
            return self.seen.decode()


async def at_terminal(
    scene: Scene, prompt: bytes, keys: bytes, *arguments: str, before: tuple[str, ...] = ()
) -> tuple[int, str]:
    """`hive login` with these keys typed at the prompt; the exit code and all that it showed."""
    before = ("setsid", "--ctty", *before)  # nothing of a terminal of whoever runs the tests
    terminal = Terminal()
    try:
        async with trio.open_nursery() as nursery:
            process: trio.Process = await nursery.start(
                partial(
                    trio.run_process,
                    [*before, *HIVE, "login", "--root", str(scene.root), *arguments],
                    stdin=terminal.slave,
                    stdout=terminal.slave,
                    stderr=terminal.slave,
                    check=False,
                    cwd=REPOSITORY,
                    env=ENVIRONMENT,
                )
            )
            await terminal.wait_for(prompt)
            terminal.type(keys)
            with trio.fail_after(30):
                await process.wait()
        assert process.returncode is not None
        return process.returncode, terminal.drain()
    finally:
        os.close(terminal.master)
        os.close(terminal.slave)


@pytest.mark.parametrize("driver", ["bubblewrap", "process"])
async def test_an_agent_logs_in_by_itself_and_back(scene: Scene, driver: str) -> None:
    agent = await scene.agent(driver)
    session = Harness()
    async with scene.harness(session):
        code, seen = await at_terminal(scene, b"code> ", b"good\r", "scout")
        assert code == 0, seen
        with trio.fail_after(5):
            assert (await session.told.receive()).environment == ()
        home = (
            "/agents/scout/claude"
            if driver == "bubblewrap"
            else f"{scene.root}/agents/scout/claude"
        )
        assert f"home {home} of " in seen
        assert "title" not in seen
        assert "HIVE_SECRET" not in seen
        assert ("sees its harness" in seen) is (driver == "process")
        assert (scene.root / "agents/scout/claude/login").exists()
        assert agent.record.credential == scene.hive.directory.known["scout"].credential == "own"
        assert scene.changed == ["own:scout"]

        ended = await scene.login("scout", "--use", "work")
        assert ended.returncode == 0, ended.stderr
        with trio.fail_after(5):
            told = await session.told.receive()
    assert told.environment == (("ANTHROPIC_API_KEY", "of-work"),)
    assert not (scene.root / "agents/scout/claude/login").exists()
    assert scene.changed == ["own:scout", "work"]
    assert await scene.audit() == [
        ("login", "scout", "credential own"),
        ("use-credential", "scout", "credential work"),
    ]
    stored = await scene.stored()
    assert [one.credential for one in stored] == ["work"]


@pytest.mark.parametrize("keys", [b"bad\r", b"\x03", b"forged\r"])
async def test_a_login_that_fails_changes_nothing(scene: Scene, keys: bytes) -> None:
    agent = await scene.agent()
    code, seen = await at_terminal(scene, b"code> ", keys, "scout")
    assert code == 1
    assert "scout is not logged in" in seen
    assert "goes on as before" in seen
    assert agent.record.credential == "default"
    assert scene.changed == []
    assert await scene.audit() == []


@pytest.mark.parametrize("claude", ["real"], indirect=True)
@pytest.mark.parametrize(
    ("keys", "says"), [(b"\x03", "ended with 130"), (b"a#b\r", "Couldn't log in")]
)
async def test_the_real_cli_asks_in_the_agents_home(scene: Scene, keys: bytes, says: str) -> None:
    """In a network namespace of its own it reaches nobody."""
    agent = await scene.agent()
    alone = ("unshare", "--net") if os.geteuid() == 0 else ("unshare", "--net", "--map-root-user")
    code, seen = await at_terminal(scene, b"Paste code here", keys, "scout", before=alone)
    assert code == 1, seen
    assert "https://claude.ai/oauth/authorize" in seen
    assert says in seen
    assert "scout is not logged in" in seen
    assert (scene.root / "agents/scout/claude/.claude.json").exists()
    assert agent.record.credential == "default"


# --- what is kept ------------------------------------------------------------------------------


def test_a_spoiled_file_is_named_and_leftovers_are_ignored(tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    assert kept(folder) == ()
    keep(folder, NamedCredential("work", api_key="a-secret"))
    keep(folder, NamedCredential("work", oauth_token="a-secret"))
    (folder / ".left-over").write_text("half")
    assert kept(folder) == (NamedCredential("work", oauth_token="a-secret"),)
    for text in (b"{", b'{"name": "work"}', encode(NamedCredential("other", api_key="a-secret"))):
        (folder / "work").write_bytes(text)
        with pytest.raises(BadCredential, match="work cannot be used") as caught:
            kept(folder)
        assert "a-secret" not in str(caught.value)
