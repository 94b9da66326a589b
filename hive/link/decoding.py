"""How a text from the peer is decoded, and what to answer if it cannot be: pure decisions."""

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
    """A frame that says what it is, but cannot be decoded; `error` says why.

    `answer` is what to send back, None for an answer of the peer's; then `settles` is the id of
    the request that it answers, None if it names none.
    """

    answer: Failure | None
    settles: int | None
    error: str


def failure(id: int | None, code: str, message: str) -> Failure:  # noqa: A002
    """Make a Failure whose text is cut to MESSAGE_CAP characters."""
    return Failure(id, code, message[:MESSAGE_CAP])


def decode_received(text: str) -> Frame | Unreadable:
    """Decode one text. Raises Violation if it is no JSON object at all: the link must end."""
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
