"""What differs between two configurations, and what that takes."""

from typing import Any

import attrs
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from hive.agent_config import (
    AgentConfig,
    KeyChange,
    KeyClass,
    changes,
    needs_restart,
    parse,
    to_toml,
)
from hive.agent_config import settings as settings_of
from hive.agent_config.config import ClaudeSection, Key, key, key_of
from hive.agent_config.reference import EXAMPLE
from hive.agent_config.rules import Flag

some = settings(max_examples=100, deadline=None)
HOT, RESTART = KeyClass.HOT, KeyClass.RESTART
PLAIN = parse(b'purpose = "x"')
WHOLE = parse(EXAMPLE.encode())


def config_of(toml: str) -> AgentConfig:
    """The configuration of a file, for the purpose "x" if it says none."""
    return parse((toml if "purpose" in toml else f'purpose = "x"\n{toml}').encode())


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", 'purpose = "y"', [("purpose", HOT, '"x"', '"y"')]),
        ("", 'may_send = ["a"]', [("may_send", HOT, None, '["a"]')]),
        ("may_send = []", "", [("may_send", HOT, "[]", None)]),
        ("", '[claude]\nmodel = "opus"', [("claude.model", RESTART, None, '"opus"')]),
        (
            "",
            '[claude]\nprompt_files = ["a.md"]',
            [("claude.prompt_files", RESTART, '["role.md"]', '["a.md"]')],
        ),
        ("", "[claude]\nprompt_files = ['role.md']", []),
        ("", "[container]\ncpus = 1", [("container.cpus", HOT, None, "1.0")]),
        ("[container]\ncpus = 1", "[container]\ncpus = 1.0", []),
        (
            "[container]\nnetwork = ['a']",
            "[container]\nnetwork = ['b']",
            [("container.network", HOT, '["a"]', '["b"]')],
        ),
        (
            "",
            "[container]\nnetwork = 'host'",
            [("container.network", RESTART, "[]", '"host"')],
        ),
        (
            "environment = { A = '1', B = '\\' }",
            "environment = { B = '\"', C = '3' }",
            [
                ("environment.B", RESTART, r'"\\"', r'"\""'),
                ("environment.C", RESTART, None, '"3"'),
                ("environment.A", RESTART, '"1"', None),
            ],
        ),
        ("environment = { A = '1', B = '2' }", "environment = { B = '2', A = '1' }", []),
        (
            "[mcp_servers.a]\ncommand = 'x'",
            "[mcp_servers.b]\ncommand = 'x'\nenvironment = { A = '' }",
            [
                ("mcp_servers.b.command", RESTART, None, '"x"'),
                ("mcp_servers.b.environment.A", RESTART, None, '""'),
                ("mcp_servers.a.command", RESTART, '"x"', None),
            ],
        ),
        ("", "[permissions]\nbroadcast = true", [("permissions.broadcast", HOT, "false", "true")]),
        (
            "",
            '[permissions.lifecycle]\nstop = ["*"]',
            [("permissions.lifecycle.stop", HOT, "[]", '["*"]')],
        ),
    ],
)
def test_a_change(old: str, new: str, expected: list[Any]) -> None:
    found = changes(config_of(old), config_of(new))
    assert [attrs.astuple(one) for one in found] == expected


def test_prompt_files_whose_contents_differ_are_changes() -> None:
    old = evolve(PLAIN, claude=ClaudeSection(prompt_files=("a.md", "b.md", "c.md", "d.md")))
    new = evolve(PLAIN, claude=ClaudeSection(prompt_files=("a.md", "b.md", "c.md", "e.md")))
    found = changes(
        old,
        new,
        old_prompts={"a.md": "1", "b.md": "1", "d.md": "1", "other": "1"},
        new_prompts={"a.md": "1", "b.md": "2", "c.md": "3", "e.md": "1", "other": "2"},
    )
    assert [one.key for one in found] == [
        "claude.prompt_files",
        'claude.prompt_files."b.md"',
        'claude.prompt_files."c.md"',
    ]
    assert found[1] == KeyChange('claude.prompt_files."b.md"', RESTART, '"1"', '"2"')
    assert found[2].old is None
    same = {"role.md": "1"}
    assert changes(PLAIN, PLAIN, old_prompts=same, new_prompts=same) == ()
    assert needs_restart(changes(PLAIN, PLAIN, old_prompts=same))


def test_a_key_is_never_cut() -> None:
    path, name = f"{'a b' * 30}.md", "X" * 100
    old = evolve(PLAIN, claude=ClaudeSection(prompt_files=(path,)), environment=((name, "1"),))
    new = evolve(old, environment=())
    found = changes(old, new, old_prompts={path: "1"})
    keys = [f"environment.{name}", f'claude.prompt_files."{path}"']
    assert [one.key for one in found] == keys


def test_a_change_needs_a_restart_if_one_of_its_keys_does() -> None:
    hot, restart = KeyChange("a", HOT, None, "1"), KeyChange("b", RESTART, None, "1")
    assert not needs_restart([])
    assert not needs_restart([hot])
    assert needs_restart([hot, restart])


def test_a_key_of_which_nothing_is_said_needs_a_restart() -> None:
    assert Key(Flag(), "").key_class is RESTART

    @attrs.frozen
    class Section:
        new: bool = key(Flag(), "", default=False)

    known = key_of(attrs.fields(Section).new)
    assert known is not None
    assert known.key_class is RESTART


def test_what_is_hot() -> None:
    hot = [one.name for one in settings_of(WHOLE) if one.key.key_class is HOT]
    begins = ("purpose", "may_send", "container", "reminders.", "budgets.", "permissions.")
    assert all(name.startswith(begins) for name in hot)
    assert [name for name in hot if name.startswith("container")] == [
        "container.memory_mib",
        "container.cpus",
        "container.processes",
        "container.network",
    ]


# --- single settings put in and taken out --------------------------------------------------------

SETTINGS = [one for one in settings_of(WHOLE) if not one.is_default]


def without(config: AgentConfig, left_out: set[str]) -> AgentConfig:
    """The configuration, with the lines of these settings left out of its file."""
    lines, section = [], ""
    for line in to_toml(config).split("\n"):
        section = line[1:-1] if line.startswith("[") else section
        name = f"{section}.{line.partition(' ')[0]}".lstrip(".")
        lines += [] if name in left_out else [line]
    return parse("\n".join(lines).encode())


FREE = sorted(
    {one.name for one in SETTINGS}
    - {"purpose", "budgets.day.usd", "mcp_servers.search.url", "mcp_servers.issues.command"}
)


def test_the_whole_example_goes_round() -> None:
    assert parse(to_toml(WHOLE).encode()) == WHOLE
    assert to_toml(PLAIN) == 'purpose = "x"\n'
    assert changes(WHOLE, WHOLE) == ()


@some
@given(st.sets(st.sampled_from(FREE)), st.sets(st.sampled_from(FREE)))
def test_changes_are_just_the_settings_that_differ(first: set[str], second: set[str]) -> None:
    old, new = without(WHOLE, first), without(WHOLE, second)
    assert parse(to_toml(old).encode()) == old
    found = changes(old, new)
    assert {one.key for one in found} == first ^ second
    assert len(found) == len(first ^ second)
    back = {one.key: one for one in changes(new, old)}
    for one in found:
        assert back[one.key] == KeyChange(one.key, one.key_class, one.new, one.old)


VISIBLE = st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"])
TEXTS = st.text(VISIBLE, max_size=20).filter(str.strip)


@some
@given(
    TEXTS, st.dictionaries(st.from_regex(r"X[A-Z_0-9]{0,99}", fullmatch=True), TEXTS, max_size=4)
)
def test_any_text_goes_round(text: str, variables: dict[str, str]) -> None:
    config = AgentConfig(text, environment=tuple(sorted(variables.items())))
    assert parse(to_toml(config).encode()) == config
