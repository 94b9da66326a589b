"""JSON to frozen classes and back, with nothing coerced in silence.

cattrs would turn `null` into `"None"` and `true` into 1; the hooks here refuse instead. Unknown
keys inside known messages are tolerated, so that an older reader understands a newer writer.
"""

import math
import re
from collections.abc import Callable
from typing import Any, get_args

import attrs
import orjson
from cattrs import Converter, transform_error
from cattrs.errors import ClassValidationError, IterableValidationError
from cattrs.preconf.orjson import configure_converter

from hive.wire.events import Event, LiveEvent
from hive.wire.frames import Frame
from hive.wire.model import TreeNode
from hive.wire.requests import AgentBody, Body, ControlBody, WebBody

PROTOCOL = 1
"""Version of the wire protocol; said in the hello, a mismatch refuses the connection."""

MAX_FRAME = 1 << 20
"""Largest frame in bytes, both ways."""


class WireError(ValueError):
    """Bytes that are not the message they should be; the text says where and what was expected."""


def _tag(cls: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


def _primitive(expected: type, *others: type) -> Callable[[Any, Any], Any]:
    def structure(value: Any, _: Any) -> Any:
        if type(value) is expected:
            return value
        if type(value) in others:
            return expected(value)
        raise WireError(f"expected {expected.__name__}, got {type(value).__name__}")

    return structure


def _float(value: Any, _: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise WireError(f"expected a finite number, got {type(value).__name__}")
    return float(value)


def _class(structure: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def strict(value: Any, cls: Any) -> Any:
        if not isinstance(value, dict):
            raise WireError(f"expected an object, got {type(value).__name__}")
        return structure(value, cls)

    return strict


def _register_union(converter: Converter, union: Any, tag_name: str) -> None:
    classes = {_tag(cls): cls for cls in get_args(union)}

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise WireError(f"expected an object, got {type(value).__name__}")
        tag = value.get(tag_name)
        cls = classes.get(tag) if isinstance(tag, str) else None
        if cls is None:
            raise WireError(f"unknown {tag_name} {tag!r}, expected one of {sorted(classes)}")
        return converter.structure(value, cls)

    def unstructure(value: Any) -> dict[str, Any]:
        fields: dict[str, Any] = converter.unstructure(value, type(value))
        return {tag_name: _tag(type(value))} | fields

    converter.register_structure_hook(union, structure)
    converter.register_unstructure_hook(union, unstructure)


def _converter() -> Converter:
    converter = Converter(detailed_validation=True)
    configure_converter(converter)
    attrs.resolve_types(TreeNode)
    for primitive in (str, int, bool):
        converter.register_structure_hook(primitive, _primitive(primitive))
    converter.register_structure_hook(float, _float)
    converter.register_structure_hook_factory(
        lambda cls: getattr(cls, "__origin__", None) is tuple,
        lambda cls: _tuple(converter, get_args(cls)),
    )
    converter.register_structure_hook_factory(
        attrs.has, lambda cls: _class(converter.gen_structure_attrs_fromdict(cls))
    )
    for union, tag in ((Event, "kind"), (Body, "type"), (Frame, "frame")):
        _register_union(converter, union, tag)
    for narrow in (AgentBody, ControlBody, WebBody):
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
        return tuple(converter.structure(item, cls) for item, cls in zip(value, of, strict=True))

    return structure


_CONVERTER = _converter()


def _explain(error: BaseException) -> str:
    if isinstance(error, ClassValidationError | IterableValidationError):
        return "; ".join(transform_error(error, format_exception=_one))
    return str(error)


def _one(error: BaseException, _: type | None) -> str:
    if isinstance(error, KeyError):
        return f"required field {error.args[0]!r} missing"
    return str(error)


def decode(data: bytes | str, cls: Any) -> Any:
    """Read JSON as `cls`, a wire class or union; raises WireError with the path of the fault."""
    try:
        return _CONVERTER.structure(orjson.loads(data), cls)
    except orjson.JSONDecodeError as error:
        raise WireError(f"not JSON: {error}") from None
    except RecursionError:
        raise WireError("nested too deeply") from None
    except (ClassValidationError, IterableValidationError, ValueError) as error:
        raise WireError(_explain(error)) from None


def encode(value: Any, cls: Any = None) -> bytes:
    """Write `value` as JSON; `cls` is the union it belongs to when it needs its tag."""
    return orjson.dumps(_CONVERTER.unstructure(value, cls or type(value)))


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
