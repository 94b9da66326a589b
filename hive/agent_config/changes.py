"""What differs between two configurations, and whether that needs a restart; pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from hive.agent_config.config import AgentConfig
from hive.agent_config.rules import dotted
from hive.agent_config.toml import settings, toml_text
from hive.wire.approvals import KeyClass

NO_PROMPTS: Mapping[str, str] = {}


@frozen
class KeyChange:
    """One key that differs; `old` and `new` as TOML text, None where it is not set."""

    key: str
    key_class: KeyClass
    old: str | None
    new: str | None


def changes(
    old: AgentConfig,
    new: AgentConfig,
    *,
    old_prompts: Mapping[str, str] = NO_PROMPTS,
    new_prompts: Mapping[str, str] = NO_PROMPTS,
) -> tuple[KeyChange, ...]:
    """Every key in which the two differ: in the order of the class, what only `old` has at the end.

    `old_prompts` and `new_prompts` give for the path of each prompt file what its contents are
    known by, such as git's object id: a file that both configurations name and that differs is a
    change of `claude.prompt_files."PATH"`. A path that is not in them is a file that is missing.
    """
    before = {one.path: one for one in settings(old)}
    after = {one.path: one for one in settings(new)}
    found: list[KeyChange] = []
    for path in dict.fromkeys((*after, *before)):
        one, other = before.get(path), after.get(path)
        known = one or other
        assert known is not None
        if (one is None or other is None) and known.is_default:
            continue  # of a section that came or went, what was not set in it
        values = [None if each is None else each.value for each in (one, other)]
        if values[0] != values[1]:
            texts = [None if value is None else toml_text(value) for value in values]
            found.append(KeyChange(known.name, _class(known.key.key_class, *values), *texts))
    for file in new.claude.prompt_files:
        ids = [prompts.get(file) for prompts in (old_prompts, new_prompts)]
        if file in old.claude.prompt_files and ids[0] != ids[1]:
            key = dotted(("claude", "prompt_files", file))
            texts = [None if one is None else toml_text(one) for one in ids]
            found.append(KeyChange(key, KeyClass.RESTART, *texts))
    return tuple(found)


def needs_restart(found: Iterable[KeyChange]) -> bool:
    """Whether the changes cannot all be applied while the agent works."""
    return any(one.key_class is KeyClass.RESTART for one in found)


def _class(usual: KeyClass, old: Any, new: Any) -> KeyClass:
    """A hot key that becomes another kind of thing, a list of hosts the host itself, is not hot."""
    other_kind = None not in (old, new) and type(old) is not type(new)
    return KeyClass.RESTART if other_kind else usual
