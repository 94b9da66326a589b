"""JSON to frozen classes and back, with nothing coerced in silence.

Unknown keys inside known messages are tolerated, so that an older reader understands a newer
writer.
"""

import math
import re
from collections.abc import Iterable
from typing import Any, TypeVar

import attrs
import orjson
from cattrs import Converter
from cattrs.preconf.orjson import configure_converter

from hive.strict import WrongValue, make_strict, register_union, structured
from hive.wire.bodies import AgentBody, Body, OperatorBody, PageBody
from hive.wire.bounds import ANSWER_CAP
from hive.wire.events import Event, LiveEvent
from hive.wire.frames import Frame
from hive.wire.tree import TreeNode

PROTOCOL = 1
"""Version of the wire protocol; it is in the hello, and another one is refused."""

T = TypeVar("T")


class WireError(ValueError):
    """Bytes that are not the message they should be; the text says where and what was expected."""


def tag_of(cls: type) -> str:
    """The name of a class on the wire: `GetStatus` is `get_status`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


def _finite(value: Any) -> Any:
    """Refuse NaN and infinity: orjson would write null, which no reader takes for a number."""
    if type(value) is float and not math.isfinite(value):
        raise ValueError(f"{value} is no finite number")
    return value


def _converter() -> Converter:
    converter = Converter()
    configure_converter(converter)
    attrs.resolve_types(TreeNode)
    make_strict(converter)
    converter.register_unstructure_hook(float, _finite)
    for union, tag in ((Event, "kind"), (Body, "type"), (Frame, "frame")):
        register_union(converter, union, tag, tag_of)
    for narrow in (AgentBody, OperatorBody, PageBody):
        register_union(converter, narrow, "type", tag_of)
    return converter


_CONVERTER = _converter()


def decode(data: bytes | str, cls: Any) -> Any:
    """Read JSON as `cls`, a wire class or union; raises WireError with the path of the fault."""
    try:
        raw = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise WireError(f"not JSON: {error}") from None
    try:
        return structured(_CONVERTER, raw, cls)
    except WrongValue as error:
        raise WireError(str(error)) from None


def encode(value: Any, cls: Any = None) -> bytes:
    """Write `value` as JSON; `cls` is the union it belongs to when it needs its tag.

    Raises WireError for what JSON cannot say: lone surrogates, integers over 64 bits, NaN.
    """
    try:
        return orjson.dumps(_CONVERTER.unstructure(value, cls or type(value)))
    except (TypeError, ValueError) as error:
        raise WireError(f"{type(value).__name__} is not JSON: {error}") from None
    except RecursionError:
        raise WireError(f"{type(value).__name__} is nested too deeply") from None


def fitting(items: Iterable[T]) -> tuple[T, ...]:
    """The first of these items that fit into one answer, at least one if there is one.

    A lease that is too large to be sent would be acknowledged without ever having been seen.
    """
    chosen: list[T] = []
    size = 0
    for item in items:
        size += len(encode(item)) + 1
        if chosen and size > ANSWER_CAP:
            break
        chosen.append(item)
    return tuple(chosen)


def decode_frame(data: bytes | str) -> Frame:
    """Read one frame. Raises WireError when the data is not one."""
    frame: Frame = decode(data, Frame)
    return frame


def encode_frame(frame: Frame) -> bytes:
    """Write one frame. Raises WireError as `encode` does."""
    return encode(frame, Frame)


def jsonable(value: Any, cls: Any = None) -> Any:
    """`value` as plain JSON types, for `--json` output and the page."""
    return _CONVERTER.unstructure(value, cls or type(value))


def flat(live: LiveEvent) -> dict[str, Any]:
    """The documented JSON shape: `{seq, at, agent, kind, …}` and the event's own fields."""
    event: dict[str, Any] = jsonable(live.event, Event)
    return {"seq": live.seq, "at": live.at, "agent": live.agent} | event
