"""Reading JSON of another program's making: a value of the expected type, or nothing."""

import json
import math
from typing import Any

Json = dict[str, Any]


def as_object(value: object) -> Json:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_objects(value: object) -> list[Json]:
    """The objects in a list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def as_blocks(content: object) -> list[Json]:
    """Content blocks; a plain text is one."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return as_objects(content)


def flat_text(content: object) -> str:
    """A tool result's content as text; other blocks by their type."""
    parts = (
        as_text(one.get("text")) if one.get("type") == "text" else f"[{as_text(one.get('type'))}]"
        for one in as_blocks(content)
    )
    return "\n".join(part or "" for part in parts)


def clean(text: str) -> str:
    """Without lone surrogates, which no encoder behind us would take."""
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text


def as_text(value: object) -> str | None:
    """A text without lone surrogates."""
    return clean(value) if isinstance(value, str) else None


def dump(value: object) -> str:
    """As JSON."""
    try:
        return clean(json.dumps(value, ensure_ascii=False))
    except RecursionError:
        return "{}"


def as_int(value: object) -> int | None:
    """A plain integer that fits everywhere (64 bits)."""
    return value if type(value) is int and abs(value) < 1 << 63 else None


def as_number(value: object) -> float | None:
    """A finite number."""
    if type(value) is int:
        return float(value) if abs(value) < 1 << 63 else None
    return value if type(value) is float and math.isfinite(value) else None


def as_epoch(value: object) -> float | None:
    """A time: a number above zero."""
    number = as_number(value)
    return number if number is not None and number > 0 else None
