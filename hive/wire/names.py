"""Names: of those among whom messages travel (agents, operator, everybody), and of models."""

import re
from collections.abc import Iterable

OPERATOR = "operator"
"""The name under which the human sends and receives; never an agent's."""

EVERYBODY = "*"
"""Instead of a recipient: every agent but the sender."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_RESERVED = frozenset({OPERATOR, "hive", "all"})
_MODEL = re.compile(r"[^\s,-][^\s,]*")
"""The CLI takes several as one word with commas; one that began with `-` would be an option."""


def check_name(name: str) -> str:
    """Return `name` if an agent may have it. Raises ValueError, with the rule, otherwise."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is not a name: use a lower case letter, then up to 30 lower case letters, "
            "digits or '-'"
        )
    if name in _RESERVED:
        raise ValueError(f"{name!r} is reserved: choose another name")
    return name


def check_recipients(names: Iterable[str]) -> tuple[str, ...]:
    """The names to whom somebody may send, each once; EVERYBODY may be one of them.

    Raises ValueError when one is not a name.
    """
    return tuple(dict.fromkeys(one if one == EVERYBODY else check_name(one) for one in names))


def check_model(name: str, where: str = "") -> str:
    """Return `name` if it may name a model; raises ValueError, whose text begins with `where`."""
    if not (_MODEL.fullmatch(name) and name.isprintable()):
        raise ValueError(f"{where}{name!r} cannot be the name of a model")
    return name
