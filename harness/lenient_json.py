"""Reading JSON that another program made: a value of the expected type, or nothing."""

import json
import math
from typing import Any

Json = dict[str, Any]


def as_object(value: object) -> Json:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_objects(value: object) -> list[Json]:
    """The objects in a list; none if the value is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def as_blocks(content: object) -> list[Json]:
    """The content blocks of a message; a plain text is one block, what is neither has none."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return as_objects(content)


def flat_text(content: object) -> str:
    """A tool result's content as text; a block that is no text is shown by its type."""
    parts = (
        as_text(one.get("text")) if one.get("type") == "text" else f"[{as_text(one.get('type'))}]"
        for one in as_blocks(content)
    )
    return "\n".join(part or "" for part in parts)


def clean(text: str) -> str:
    """The text without lone surrogates (half an emoji), which UTF-8 and SQLite do not take."""
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text


def as_text(value: object) -> str | None:
    """A text, without lone surrogates; None if the value is no text."""
    return clean(value) if isinstance(value, str) else None


def dump(value: object) -> str:
    """The value as JSON; an empty object if it is nested too deeply to be written."""
    try:
        return clean(json.dumps(value, ensure_ascii=False))
    except RecursionError:
        return "{}"


def as_int(value: object) -> int | None:
    """A plain integer that fits everywhere (64 bits); None for all else, true and false as well."""
    return value if type(value) is int and abs(value) < 1 << 63 else None


def as_number(value: object) -> float | None:
    """A finite number; None for all else."""
    if type(value) is int:
        return float(value) if abs(value) < 1 << 63 else None
    return value if type(value) is float and math.isfinite(value) else None


def as_epoch(value: object) -> float | None:
    """A time in epoch seconds: a number above zero; None for all else."""
    number = as_number(value)
    return number if number is not None and number > 0 else None
