"""What to do with a text from the peer: a pure decision."""

from typing import Any, get_args

import orjson
from attrs import frozen

from hive.link.errors import Violation
from hive.wire.bodies import Body
from hive.wire.codec import WireError, decode_frame, tag_of
from hive.wire.frames import Failure, Frame

MESSAGE_CAP = 2000
"""Characters of a failure's text; what the peer sent may be quoted in it."""

_KNOWN = frozenset(tag_of(cls) for cls in get_args(Body))


@frozen
class Unreadable:
    """A frame with a wrong inside: `answer` it if it asked; it `settles` that request of ours."""

    answer: Failure | None
    settles: int | None
    error: str


def failure(id: int | None, code: str, message: str) -> Failure:  # noqa: A002
    """A Failure whose text is cut to MESSAGE_CAP characters."""
    return Failure(id, code, message[:MESSAGE_CAP])


def decode_received(text: str) -> Frame | Unreadable:
    """Decode one text; raises Violation if it is no JSON object at all."""
    try:
        return decode_frame(text)
    except WireError as error:
        return _unreadable(text, str(error))


def _unreadable(text: str, error: str) -> Unreadable:
    try:
        raw = orjson.loads(text)
    except ValueError:
        raise Violation("bad_frame", error) from None
    if not isinstance(raw, dict):
        raise Violation("bad_frame", error)
    number = raw.get("id")
    id_ = number if type(number) is int else None
    if raw.get("frame") in ("reply", "failure"):
        return Unreadable(None, id_, error)
    code = "unknown_request" if _unknown_body(raw) else "bad_frame"
    return Unreadable(failure(id_, code, error), None, error)


def _unknown_body(raw: dict[str, Any]) -> bool:
    if raw.get("frame") != "request":
        return False
    body = raw.get("body")
    tag = body.get("type") if isinstance(body, dict) else None
    return isinstance(tag, str) and tag not in _KNOWN
