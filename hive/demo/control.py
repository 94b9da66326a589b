"""Rules and records as JSON, for tests that drive the scripted API from another process."""

import json
from collections.abc import Callable
from typing import Any, get_args

from cattrs import Converter, transform_error
from cattrs.errors import ClassValidationError, IterableValidationError

from hive.demo.failures import FailKind
from hive.demo.reply import Block, CallTool, LimitHeaders, ModelAnswer, Reply
from hive.demo.script import RecordedRequest, Rule


class BadRules(ValueError):
    """Rules that are none; the text says what is wrong and where."""


def _primitive(expected: type, *others: type) -> Callable[[Any, Any], Any]:
    def structure(value: Any, _: Any) -> Any:
        if type(value) is expected or type(value) in others:
            return value
        raise ValueError(f"expected {expected.__name__}, got {type(value).__name__}")

    return structure


def _kind(value: Any, _: Any) -> FailKind:
    if value not in [kind.value for kind in FailKind]:
        raise ValueError(f"unknown kind {value!r}, expected one of {[str(k) for k in FailKind]}")
    return FailKind(value)


def _explain(error: BaseException, _: type | None) -> str:
    if isinstance(error, KeyError):
        return f"required field {error.args[0]!r} missing"
    return str(error)


_TAGS: dict[type, str] = {CallTool: "call", ModelAnswer: "answer", LimitHeaders: "limits"}
"""Those that are not the class's name in lower case."""


def _tag(cls: type) -> str:
    return _TAGS.get(cls, cls.__name__.lower())


def _tagged(converter: Converter, union: Any) -> None:
    """Tell the classes of `union` apart by a key "type"."""
    classes = {_tag(cls): cls for cls in get_args(union)}

    def structure(value: Any, _: Any) -> Any:
        tag = value.get("type") if isinstance(value, dict) else None
        if not isinstance(tag, str) or tag not in classes:
            raise ValueError(f"expected an object with a type out of {sorted(classes)}")
        fields = {key: item for key, item in value.items() if key != "type"}
        return converter.structure(fields, classes[tag])

    def unstructure(value: Any) -> dict[str, Any]:
        fields: dict[str, Any] = converter.unstructure(value, type(value))
        return {"type": _tag(type(value))} | fields

    converter.register_structure_hook(union, structure)
    converter.register_unstructure_hook(union, unstructure)


def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True)
    # Without these cattrs would read null as "None" and true as 1.
    for primitive, others in ((str, ()), (int, ()), (bool, ()), (float, (int,))):
        converter.register_structure_hook(primitive, _primitive(primitive, *others))
    # A FailKind is a str, so the hook above would take any string for one.
    converter.register_structure_hook(FailKind, _kind)
    _tagged(converter, Block)
    _tagged(converter, Reply)
    return converter


_CONVERTER = _converter()


def rules_from_json(body: bytes) -> tuple[Rule, ...]:
    """Read `{"rules": [...]}`; raises BadRules."""
    try:
        data = json.loads(body)
        if not isinstance(data, dict) or not isinstance(data.get("rules"), list):
            raise BadRules('expected {"rules": [{"reply": {"type": "fail", "kind": …}, …}, …]}')
        if not all(isinstance(rule, dict) for rule in data["rules"]):
            raise BadRules("rules: each must be an object")
        return tuple(_CONVERTER.structure(rule, Rule) for rule in data["rules"])
    except (ClassValidationError, IterableValidationError) as error:
        raise BadRules("; ".join(transform_error(error, format_exception=_explain))) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadRules(str(error)) from None


def rules_to_json(rules: tuple[Rule, ...]) -> bytes:
    """What `rules_from_json` reads."""
    return json.dumps({"rules": _CONVERTER.unstructure(rules)}).encode()


def requests_to_json(requests: list[RecordedRequest]) -> bytes:
    """The recorded requests as a list of objects."""
    return json.dumps(_CONVERTER.unstructure(requests)).encode()
