"""An AgentConfig as its single settings, and as TOML text."""

from collections.abc import Iterator
from typing import Any

import attrs
from attrs import frozen

from hive.agent_config.config import AgentConfig, Key, key_of
from hive.agent_config.rules import KeyPath, Table, dotted, quoted


@frozen
class Setting:
    """One key of a configuration: its place, what is known of it, and its value, None if unset."""

    path: KeyPath
    key: Key
    value: Any
    is_default: bool

    @property
    def name(self) -> str:
        """The key with its sections: `container.cpus`."""
        return dotted(self.path)


def settings(section: Any, path: KeyPath = ()) -> Iterator[Setting]:
    """Every setting of a configuration, in the order of its class, those with defaults too.

    Each variable, and each key of each MCP server, is one of its own.
    """
    for field in attrs.fields(type(section)):
        value, place = getattr(section, field.name), (*path, field.name)
        known = key_of(field)
        if known is None:
            yield from settings(value, place)
        elif not isinstance(known.rule, Table):
            yield Setting(place, known, value, value == field.default)
        else:
            for name, one in value:
                if attrs.has(type(one)):
                    yield from settings(one, (*place, name))
                else:
                    yield Setting((*place, name), known, one, False)


def toml_text(value: Any) -> str:
    """The value of a setting as TOML has it."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return quoted(value)
        case tuple():
            return f"[{', '.join(map(toml_text, value))}]"
    return repr(value)


def to_toml(config: AgentConfig) -> str:
    """A file that `parse` reads as `config`; keys with their defaults are left out."""
    sections: dict[KeyPath, list[str]] = {(): []}
    for one in settings(config):
        if not one.is_default:
            line = f"{dotted(one.path[-1:])} = {toml_text(one.value)}"
            sections.setdefault(one.path[:-1], []).append(line)
    blocks = ["\n".join(sections.pop(()))]
    blocks += ["\n".join((f"[{dotted(path)}]", *lines)) for path, lines in sections.items()]
    return "\n\n".join(blocks) + "\n"
