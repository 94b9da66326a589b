"""JSON to frozen classes and back, with nothing coerced in silence.

cattrs would turn `null` into `"None"` and `true` into 1; the hooks here refuse instead. Unknown
keys inside known messages are tolerated, so that an older reader understands a newer writer.
"""

import math
import re
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, TypeVar, get_args

import attrs
import orjson
from cattrs import Converter, transform_error
from cattrs.errors import (
    ClassValidationError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.preconf.orjson import configure_converter

from hive.text import shortened
from hive.wire.bodies import AgentBody, Body, OperatorBody, PageBody
from hive.wire.events import Event, LiveEvent
from hive.wire.frames import Frame
from hive.wire.tree import TreeNode

PROTOCOL = 1
"""Version of the wire protocol; said in the hello, a mismatch refuses the connection."""

MAX_FRAME = 1 << 20
"""Largest frame in bytes, both ways."""

ANSWER_CAP = MAX_FRAME * 3 // 4
"""Bytes of encoded items in one answer; the rest of the frame is for its envelope."""

T = TypeVar("T")


class WireError(ValueError):
    """Bytes that are not the message they should be; the text says where and what was expected."""


def tag_of(cls: type) -> str:
    """The name of a class on the wire: `GetStatus` is `get_status`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


def _quoted(value: Any) -> str:
    """What the other side sent, short enough to be said back."""
    return shortened(repr(value), 80)


def _primitive(expected: type) -> Callable[[Any, Any], Any]:
    def structure(value: Any, cls: Any) -> Any:
        if issubclass(cls, Enum):  # cattrs takes the hook of `str` for its enums too
            return _enum(value, cls)
        if type(value) is expected:
            return value
        raise WireError(f"expected {expected.__name__}, got {type(value).__name__}")

    return structure


def _enum(value: Any, cls: type[Enum]) -> Enum:
    known = [member.value for member in cls]
    if type(value) is not str or value not in known:
        raise WireError(f"unknown value {_quoted(value)}, expected one of {known}")
    return cls(value)


def _float(value: Any, _: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise WireError(f"expected a finite number, got {type(value).__name__}")
    return float(value)


def _finite(value: Any) -> Any:
    """Refuse NaN and infinity: orjson would write null, which no reader takes for a number."""
    if type(value) is float and not math.isfinite(value):
        raise WireError(f"{value} is no finite number")
    return value


def _class(structure: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def strict(value: Any, cls: Any) -> Any:
        if not isinstance(value, dict):
            raise WireError(f"expected an object, got {type(value).__name__}")
        return structure(value, cls)

    return strict


def _register_union(converter: Converter, union: Any, tag_name: str) -> None:
    tags: dict[type, str] = {cls: tag_of(cls) for cls in get_args(union)}
    classes = {tag: cls for cls, tag in tags.items()}

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise WireError(f"expected an object, got {type(value).__name__}")
        tag = value.get(tag_name)
        cls = classes.get(tag) if isinstance(tag, str) else None
        if cls is None:
            raise WireError(f"unknown {tag_name} {_quoted(tag)}, expected one of {sorted(classes)}")
        return converter.structure(value, cls)

    def unstructure(value: Any) -> dict[str, Any]:
        if type(value) not in tags:
            raise WireError(f"expected one of {sorted(classes)}, got {type(value).__name__}")
        fields: dict[str, Any] = converter.unstructure(value, type(value))
        return {tag_name: tags[type(value)]} | fields

    converter.register_structure_hook(union, structure)
    converter.register_unstructure_hook(union, unstructure)


def _converter() -> Converter:
    converter = Converter(detailed_validation=True)
    configure_converter(converter)
    attrs.resolve_types(TreeNode)
    for primitive in (str, int, bool):
        converter.register_structure_hook(primitive, _primitive(primitive))
    converter.register_structure_hook(float, _float)
    converter.register_unstructure_hook(float, _finite)
    converter.register_structure_hook_factory(
        lambda cls: getattr(cls, "__origin__", None) is tuple,
        lambda cls: _tuple(converter, get_args(cls)),
    )
    converter.register_structure_hook_factory(
        attrs.has, lambda cls: _class(converter.gen_structure_attrs_fromdict(cls))
    )
    for union, tag in ((Event, "kind"), (Body, "type"), (Frame, "frame")):
        _register_union(converter, union, tag)
    for narrow in (AgentBody, OperatorBody, PageBody):
        _register_union(converter, narrow, "type")
    return converter


def _tuple(converter: Converter, types: tuple[Any, ...]) -> Callable[[Any, Any], Any]:
    """Read a list only: cattrs would also iterate strings and objects."""
    repeated = len(types) == 2 and types[1] is Ellipsis

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, list):
            raise WireError(f"expected a list, got {type(value).__name__}")
        of = types[:1] * len(value) if repeated else types
        if len(value) != len(of):
            raise WireError(f"expected {len(of)} items, got {len(value)}")
        return tuple(
            _item(converter, i, item, cls)
            for i, (item, cls) in enumerate(zip(value, of, strict=True))
        )

    return structure


def _item(converter: Converter, index: int, item: Any, cls: Any) -> Any:
    try:
        return converter.structure(item, cls)
    except Exception as error:
        error.add_note(IterableValidationNote(f"item {index}", index, cls))
        raise IterableValidationError(f"item {index}", [error], cls) from None


_CONVERTER = _converter()


def _explain(error: BaseException) -> str:
    try:
        if isinstance(error, ClassValidationError | IterableValidationError):
            return "; ".join(transform_error(error, format_exception=_one))
    except RecursionError:
        return "nested too deeply"
    return str(error)


def _one(error: BaseException, _: type | None) -> str:
    if isinstance(error, KeyError):
        return f"required field {error.args[0]!r} missing"
    return str(error)


def decode(data: bytes | str, cls: Any) -> Any:
    """Read JSON as `cls`, a wire class or union; raises WireError with the path of the fault."""
    try:
        raw = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise WireError(f"not JSON: {error}") from None
    try:
        return _CONVERTER.structure(raw, cls)
    except RecursionError:
        raise WireError("nested too deeply") from None
    except (ClassValidationError, IterableValidationError, ValueError) as error:
        raise WireError(_explain(error)) from None


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
    """Read one frame; raises WireError."""
    frame: Frame = decode(data, Frame)
    return frame


def encode_frame(frame: Frame) -> bytes:
    """Write one frame."""
    return encode(frame, Frame)


def jsonable(value: Any, cls: Any = None) -> Any:
    """`value` as plain JSON types, for `--json` output and the page."""
    return _CONVERTER.unstructure(value, cls or type(value))


def flat(live: LiveEvent) -> dict[str, Any]:
    """The documented JSON shape: `{seq, at, agent, kind, …}` and the event's own fields."""
    event: dict[str, Any] = jsonable(live.event, Event)
    return {"seq": live.seq, "at": live.at, "agent": live.agent} | event
