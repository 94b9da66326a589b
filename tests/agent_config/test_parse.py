"""Bytes to an AgentConfig: everything that is wrong is told, exactly and safely, in one error."""

import time
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cli.arguments import environment
from hive.agent_config import (
    MOST_FILE,
    MOST_PROMPT,
    AgentConfig,
    AgentConfigError,
    BrokenRules,
    HostCaps,
    check_prompt,
    parse,
    to_toml,
)
from hive.agent_config.config import DRIVERS, MODEL, BudgetSection, BudgetsSection
from hive.containers import Bubblewrap, UnsafeProcess
from hive.paths import AgentFolders
from hive.wire.budgets import Period, Unit

HOST = HostCaps(memory_mib=4096, cpus=2, processes=1000)
some = settings(max_examples=200, deadline=None)
BIDI = "\N{RIGHT-TO-LEFT OVERRIDE}"


def faults(data: bytes | str, **given: Any) -> list[str]:
    """What `parse` finds wrong, without the name of the file."""
    data = data.encode() if isinstance(data, str) else data
    with pytest.raises(AgentConfigError) as caught:
        parse(data, **given)
    assert str(caught.value).count("\n") == len(caught.value.faults) - 1
    return [line.removeprefix("agent.toml: ") for line in str(caught.value).split("\n")]


def with_purpose(toml: str) -> str:
    return f'purpose = "x"\n{toml}'


KNOWN = (
    "budgets, claude, container, environment, may_send, mcp_servers, permissions, purpose, "
    "reminders, session"
)
NAMES = (
    "a lower case letter, then up to 30 lower case letters, digits or '-', and none of operator, "
    "hive and all"
)


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("effrt = 1", f"effrt: is no known key, known here are {KNOWN}"),
        ("model = 1", f"model: is no known key, did you mean claude.model? known here are {KNOWN}"),
        (
            "[claude]\nmodle = 1",
            "claude.modle: is no known key, did you mean model? known here are effort, "
            "fallback_models, model, prompt_files, tools",
        ),
        ("[claude]\nmodel = true", "claude.model: is true, must be " + MODEL.words),
        ("claude = 1", "claude: is 1, must be a section"),
        ("[[claude]]", "claude: is a list, must be a section"),
        ("[budgets]\nday = 1", "budgets.day: is 1, must be a section"),
        (
            '[claude]\neffort = "huge"',
            'claude.effort: is "huge", must be "low" or "medium" or "high" or "xhigh" or "max"',
        ),
        ('[claude]\ntools = "Bash"', 'claude.tools: is "Bash", must be a list of tools'),
        (
            '[claude]\ntools = ["Bash", 1979-05-27]',
            "claude.tools[1]: is a date or time, must be the name of a tool: up to 64 letters, "
            "digits and '_'",
        ),
        ('[claude]\ntools = ["A", "B", "A"]', 'claude.tools[2]: is "A" again: give each once'),
        (
            '[claude]\nmodel = "opus"\nfallback_models = ["opus"]',
            "claude.fallback_models[0]: is the model itself: name another one",
        ),
        (
            '[claude]\nprompt_files = ["../role.md"]',
            'claude.prompt_files[0]: is "../role.md", must be the path of a file in the '
            "repository, with '/' between folders and without '..'",
        ),
        (
            "[container]\ncpus = true",
            "container.cpus: is true, must be a number from 0.1 to 4_096 processors",
        ),
        (
            "[container]\nmemory_mib = 1.5",
            "container.memory_mib: is 1.5, must be a whole number from 512 to 16_777_216 MiB",
        ),
        (
            "[container]\nprocesses = 0xffffffffffffffffffffffff",
            "container.processes: is a number beyond 10^15, must be a whole number from 128 to "
            "4_194_304 processes and threads",
        ),
        (
            "[container]\nmemory_mib = 8192",
            "container.memory_mib: is 8192, must be at most 4096: this machine has no more",
        ),
        (
            '[container]\nnetwork = "all"',
            'container.network: is "all", must be "host", or a list of up to 200 hosts, each a '
            "host name in lower case, with '*.' before it for all names below it, and ':PORT' "
            "behind it for that port alone",
        ),
        ("[container]\nnetwork = 1", "container.network: is 1, must be a list of hosts"),
        (
            "[reminders]\nper_hour = inf",
            "reminders.per_hour: is inf, must be a number above 0, up to 1_000_000_000",
        ),
        (
            "[reminders]\nper_hour = 0",
            "reminders.per_hour: is 0, must be a number above 0, up to 1_000_000_000",
        ),
        (
            "[budgets.day]\ntokens_reserve = 5",
            "budgets.day.tokens_reserve: is a reserve of no budget: set tokens too, or leave both "
            "out",
        ),
        ('may_send = ["me"]', 'may_send[0]: is "me", the agent itself: name other agents'),
        (
            'may_send = ["*"]',
            f'may_send[0]: is "*", must be an agent\'s name: {NAMES}; for a broadcast set '
            "permissions.broadcast",
        ),
        (
            '[permissions]\nconfig = ["Bob"]',
            'permissions.config[0]: is "Bob", must be an agent\'s name or "*" for every other '
            f"agent: {NAMES}",
        ),
        (
            '[permissions]\nconfig = ["hive"]',
            'permissions.config[0]: is "hive", must be an agent\'s name or "*" for every other '
            f"agent: {NAMES}",
        ),
        ("[permissions]\nbroadcast = 1", "permissions.broadcast: is 1, must be true or false"),
        (
            "[permissions.lifecycle]\npurge = []",
            "permissions.lifecycle.purge: is no known key, did you mean pause? known here are "
            "cancel, destroy, log, pause, rebuild, restart, revive, session, spawn, start, stop, "
            "unpause",
        ),
        (
            "[environment]\nA = 1",
            "environment.A: is 1, must be a text of up to 4096 characters, all of them visible",
        ),
        (
            f'[environment]\nA = "{"s" * 4097}"',
            "environment.A: must be a text of up to 4096 characters, all of them visible",
        ),
        (
            '[environment]\nANTHROPIC_BASE_URL = "https://example.org"',
            'environment.ANTHROPIC_BASE_URL: its name is "ANTHROPIC_BASE_URL", must be up to 100 '
            "letters, digits and '_', the first no digit, and none of the hive's own: ANTHROPIC_…, "
            "CLAUDE…, HIVE_…, HOME, PATH, and switches of the CLI",
        ),
        ("[mcp_servers]\na = 1", "mcp_servers.a: is 1, must be a section"),
        ("[mcp_servers.a]", "mcp_servers.a: needs one of command and url, and not both"),
        (
            '[mcp_servers.a]\ncommand = "x"\nenv = {}',
            "mcp_servers.a.env: is no known key, known here are args, command, environment, url",
        ),
        (
            '[mcp_servers.a]\nurl = "http://a/"\nargs = ["x"]',
            "mcp_servers.a: has an url: args and environment belong to a command",
        ),
        (
            '[mcp_servers.hive]\ncommand = "x"',
            'mcp_servers.hive: its name is "hive", must be a lower case letter, then up to 30 '
            "lower case letters, digits or '-', and not hive",
        ),
        ('"a\\u001b[2J" = 1', f'"a\\x1b[2J": is no known key, known here are {KNOWN}'),
        (
            f'[claude]\nmodel = "{BIDI}"',
            f"claude.model: holds U+202E (right-to-left override), must be {MODEL.words}",
        ),
        (f"# {BIDI}", "line 2 holds U+202E (right-to-left override): only visible text is allowed"),
        ("a = 1\na = 2", "is not TOML: Cannot overwrite a value (at end of document)"),
        ("[a", "is not TOML: Expected ']' at the end of a table declaration (at end of document)"),
        (f"a = {'9' * 5000}", "is not TOML: a number has too many digits"),
    ],
)
def test_one_thing_that_is_wrong(toml: str, expected: str) -> None:
    assert faults(with_purpose(toml), agent="me", host=HOST) == [expected]


TOO_DEEP = "sections or lists are nested too deeply: at most 8 levels"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "purpose: is missing, must be a text of 1 to 200 characters on one line"),
        (b"purpose = ' '", 'purpose: is " ", must be a text of 1 to 200 characters on one line'),
        (b"purpose = 'a'\n\xff", "is not UTF-8: invalid start byte at byte 14, in line 2"),
        ("purpose = 'a'".encode("utf-16"), "is not UTF-8: invalid start byte at byte 0, in line 1"),
        (
            b"\xef\xbb\xbfpurpose = 'a'",
            "begins with a byte order mark: save it as UTF-8 without one",
        ),
        (b"#" * (MOST_FILE + 1), f"has more than {MOST_FILE} bytes"),
        (
            b'purpose = "a\\u0000"',
            "purpose: holds U+0000 (a control character), must be a text of 1 to 200 characters "
            "on one line",
        ),
        (
            b'purpose = """a\nb"""',
            "purpose: holds U+000A (a control character), must be a text of 1 to 200 characters "
            "on one line",
        ),
        (b"a = " + b"[" * 60_000, TOO_DEEP),
        (b"a = " + b"[" * 9 + b"]" * 9, TOO_DEEP),
        (b"a = " + b"{a = " * 10_000, TOO_DEEP),
        (b"a." * 30_000 + b"a = 1", TOO_DEEP),
        (b"['a'" + b' . "a"' * 20 + b"]", TOO_DEEP),
    ],
)
def test_a_file_that_is_wrong_as_a_whole(data: bytes, expected: str) -> None:
    assert faults(data) == [expected]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    toml = """
        modell = 1
        may_send = ["me", "B", "c", "c"]
        claude = { effort = 1, modle = 1 }
        [container]
        memory_mib = 1
        cpus = 64
        [environment]
        HOME = "/"
        B = 1
        [mcp_servers.a]
        command = 1
        args = [1]
        [permissions.lifecycle]
        stop = 1
        # \N{ZERO WIDTH SPACE}
    """
    keys = [one.split(": ")[0] for one in faults(toml, agent="me", host=HOST)]
    assert keys == [
        "line 16 holds U+200B (zero width space)",
        "purpose",
        "may_send[0]",
        "may_send[1]",
        "may_send[3]",
        "claude.effort",
        "claude.modle",
        "container.memory_mib",
        "container.cpus",
        "environment.HOME",
        "environment.B",
        "mcp_servers.a.command",
        "mcp_servers.a.args[0]",
        "permissions.lifecycle.stop",
        "modell",
    ]


def test_of_very_many_faults_the_first_are_told() -> None:
    with pytest.raises(AgentConfigError) as caught:
        parse("".join(f"k{i} = 1\n" for i in range(5000)).encode())
    assert len(caught.value.faults) == 5001
    assert str(caught.value).split("\n")[20:] == ["agent.toml: … and 4981 more"]


def test_the_name_of_the_file_is_told_safely() -> None:
    with pytest.raises(AgentConfigError) as caught:
        parse(b"", source="a\x1b[2J\n.toml")
    assert str(caught.value).startswith("a\\x1b[2J\\n.toml: purpose: ")


def test_no_check_without_its_ground() -> None:
    found = parse(b'purpose = "x"\nmay_send = ["me"]\n[container]\ncpus = 4096')
    assert (found.may_send, found.container.cpus) == (("me",), 4096.0)
    assert parse(b'purpose = "x"\n[container]\ncpus = 2', host=HOST).container.cpus == 2.0
    HostCaps.of_this_machine()


@pytest.mark.parametrize(
    "good", ["github.com", "*.github.com:443", "db", "10.0.0.1:65535", "a-b.c"]
)
def test_hosts(good: str) -> None:
    assert parse(with_purpose(f"[container]\nnetwork = ['{good}']").encode())


@pytest.mark.parametrize(
    "bad",
    ["", "*", "*.com", "a.*.com", "A.com", "a b", "a:0", "a:65536", "a:", "-a", "a-", "a..b", "a.",
     "https://a", "a/b", "a,b", "[::1]", "a" * 64, ".".join(["a" * 63] * 4)],
)  # fmt: skip
def test_what_is_no_host(bad: str) -> None:
    assert faults(with_purpose(f"[container]\nnetwork = ['{bad}']"))


@pytest.mark.parametrize(
    "bad",
    ["", "/role.md", "a//b", "./a", "a/..", "..", "a/", ".git/config", "a/.GIT/x", "a" * 201],
)
def test_prompt_files_lie_in_the_repository(bad: str) -> None:
    assert faults(with_purpose(f"[claude]\nprompt_files = ['{bad}']"))


def test_a_class_made_by_hand_is_checked_too() -> None:
    with pytest.raises(BrokenRules, match=r'\[0\]: is "A B", must be'):
        AgentConfig("x", may_send=("A B",))
    with pytest.raises(BrokenRules, match="usd_reserve: is a reserve of no budget"):
        BudgetSection(usd_reserve=1.0)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"x" * (MOST_PROMPT + 1), f"has more than {MOST_PROMPT} bytes"),
        (b"a\0", "holds a NUL character: a prompt is text"),
        (b"a\xff", "is not UTF-8: invalid start byte at byte 1: save it as UTF-8"),
    ],
)
def test_what_can_be_no_prompt(data: bytes, expected: str) -> None:
    with pytest.raises(ValueError, match=f"^{expected}$"):
        check_prompt(data)
    assert check_prompt("ä".encode()) == "ä"


# --- the same rules elsewhere --------------------------------------------------------------------


def test_variables_by_which_the_hive_starts_claude_cannot_be_set() -> None:
    credentials = (("ANTHROPIC_API_KEY", "x"), ("ANTHROPIC_BASE_URL", "x"))
    folders = AgentFolders(Path("/a"))
    used = environment(folders, credentials, root=True, container="x", commands="/x")
    for name, _ in used:
        if name != "LANG":
            assert faults(with_purpose(f"[environment]\n{name} = ''")), name
    assert parse(with_purpose("[environment]\nLANG = 'C'").encode())


def test_budgets_and_drivers_are_those_of_the_hive() -> None:
    assert {one.name for one in attrs.fields(BudgetsSection)} == set(Period)
    assert {one.name for one in attrs.fields(BudgetSection)} >= set(Unit)
    assert set(DRIVERS) == {Bubblewrap().name, UnsafeProcess(allowed=True).name}


# --- whatever comes ------------------------------------------------------------------------------

KEYS = st.sampled_from(
    [one.name for cls in (AgentConfig, BudgetSection) for one in attrs.fields(cls)]
    + ["model", "tools", "day", "cpus", "command", "stop", "a", "A_B", "*", "", BIDI, "\x1b", "'"]
)
SCALARS = (
    st.none().map(lambda _: "x")
    | st.text(max_size=8)
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.sampled_from(["host", "opus", "manager", "*", "role.md"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


def as_toml(value: Any) -> str:
    """Any plain value as inline TOML."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return '"' + "".join(f"\\U{ord(c):08X}" for c in value) + '"'
        case dict():
            pairs = (f"{as_toml(key)} = {as_toml(one)}" for key, one in value.items())
            return "{" + ", ".join(pairs) + "}"
        case list():
            return "[" + ", ".join(map(as_toml, value)) + "]"
    return repr(value)


def parsed(data: bytes) -> AgentConfig | None:
    """The configuration, or None where the one error was raised, which is printable."""
    try:
        return parse(data, agent="me", host=HOST)
    except AgentConfigError as error:
        assert error.faults
        assert all(line.isprintable() for line in str(error).split("\n"))
        return None


@some
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    parsed(data)
    parsed(b"purpose = '" + data)


@some
@given(st.dictionaries(KEYS, VALUES, max_size=5), st.booleans())
def test_any_toml_is_read_or_refused(values: dict[str, Any], purpose: bool) -> None:
    values |= {"purpose": "x"} if purpose else {}
    found = parsed("\n".join(f"{as_toml(k)} = {as_toml(v)}" for k, v in values.items()).encode())
    if found is not None:
        assert parse(to_toml(found).encode()) == found


@pytest.mark.parametrize(
    ("one", "times"),
    [(b"'", 65_000), (b'"""', 20_000), (b'"\\', 30_000), (b"a-", 32_000), (b"a .", 20_000),
     (b"x=1.", 16_000), (b"[[a]]\n", 10_000), (b"a", 65_000), (b"[a.b.c.d]\n", 6000)],
)  # fmt: skip
def test_no_file_takes_a_time_that_grows_with_its_square(one: bytes, times: int) -> None:
    start = time.process_time()
    parsed(one * times)
    assert time.process_time() - start < 5, "the careless way took 20 s and more"
