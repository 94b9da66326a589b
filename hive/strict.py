"""Plain values, as JSON and TOML have them, to frozen classes, with nothing coerced in silence.

cattrs would turn `null` into `"None"` and `true` into 1; the hooks here refuse instead and say what
was expected.
"""

import math
from collections.abc import Callable
from enum import Enum
from typing import Any, get_args

import attrs
from cattrs import Converter, transform_error
from cattrs.errors import ClassValidationError, IterableValidationError, IterableValidationNote

from hive.text import shortened

Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]
"""What attrs calls with the instance, the field and its value."""


class WrongValue(ValueError):
    """A value that is not what it should be; the text says where and what was expected."""


class NotAnObject(ValueError):
    """Something else stands where the fields of a class were expected."""


def make_strict(converter: Converter) -> Converter:
    """Let a fresh `converter` take each value only for what it is; returns it.

    The only exception is an integer where a float is expected. Tuples are lists outside, enums
    their values. Keys that a class does not have are left out, unless the converter forbids them.
    """
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
    return converter


def register_union(
    converter: Converter, union: Any, tag_name: str, tag_of: Callable[[type], str]
) -> None:
    """Let the key `tag_name` tell the classes of `union` apart, in both directions."""
    tags: dict[type, str] = {cls: tag_of(cls) for cls in get_args(union)}
    classes = {tag: cls for cls, tag in tags.items()}

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise NotAnObject(f"expected an object, got {type(value).__name__}")
        tag = value.get(tag_name)
        cls = classes.get(tag) if isinstance(tag, str) else None
        if cls is None:
            raise ValueError(
                f"unknown {tag_name} {_quoted(tag)}, expected one of {sorted(classes)}"
            )
        if converter.forbid_extra_keys:
            value = {key: item for key, item in value.items() if key != tag_name}
        return converter.structure(value, cls)

    def unstructure(value: Any) -> dict[str, Any]:
        if type(value) not in tags:
            raise ValueError(f"expected one of {sorted(classes)}, got {type(value).__name__}")
        fields: dict[str, Any] = converter.unstructure(value, type(value))
        return {tag_name: tags[type(value)]} | fields

    converter.register_structure_hook(union, structure)
    converter.register_unstructure_hook(union, unstructure)


def structured(converter: Converter, value: Any, cls: Any) -> Any:
    """Read `value` as `cls`; raises WrongValue with the path of each fault."""
    try:
        return converter.structure(value, cls)
    except RecursionError:
        raise WrongValue("nested too deeply") from None
    except (ClassValidationError, IterableValidationError, ValueError) as error:
        raise WrongValue(_explain(error)) from None


def must_be(what: str, fits: Callable[[Any], bool]) -> Validator:
    """Make a validator of attrs that raises ValueError, `FIELD must be WHAT`, unless it fits."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not fits(value):
            raise ValueError(f"{attribute.name} must be {what}")

    return check


def _quoted(value: Any) -> str:
    """What was given, short enough to be said back."""
    return shortened(repr(value), 80)


def _primitive(expected: type) -> Callable[[Any, Any], Any]:
    def structure(value: Any, cls: Any) -> Any:
        if issubclass(cls, Enum):  # cattrs takes the hook of `str` for its enums too
            return _enum(value, cls)
        if type(value) is expected:
            return value
        raise ValueError(f"expected {expected.__name__}, got {type(value).__name__}")

    return structure


def _enum(value: Any, cls: type[Enum]) -> Enum:
    known = [member.value for member in cls]
    if type(value) is not str or value not in known:
        raise ValueError(f"unknown value {_quoted(value)}, expected one of {known}")
    return cls(value)


def _float(value: Any, _: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {type(value).__name__}")
    return float(value)


def _class(structure: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def strict(value: Any, cls: Any) -> Any:
        if not isinstance(value, dict):
            raise NotAnObject(f"expected an object, got {type(value).__name__}")
        return structure(value, cls)

    return strict


def _tuple(converter: Converter, types: tuple[Any, ...]) -> Callable[[Any, Any], Any]:
    """Read a list only: cattrs would also iterate strings and objects."""
    repeated = len(types) == 2 and types[1] is Ellipsis

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, list):
            raise ValueError(f"expected a list, got {type(value).__name__}")
        of = types[:1] * len(value) if repeated else types
        if len(value) != len(of):
            raise ValueError(f"expected {len(of)} items, got {len(value)}")
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
