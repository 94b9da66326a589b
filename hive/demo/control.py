"""Rules and records as JSON, for tests that drive the scripted API from another process."""

import json

from cattrs import Converter

from hive.demo.reply import Block, CallTool, LimitHeaders, ModelAnswer, Reply
from hive.demo.script import RecordedRequest, Rule
from hive.strict import make_strict, register_union, structured


class BadRules(ValueError):
    """The JSON holds no rules; the text says what is wrong and where."""


_TAGS: dict[type, str] = {CallTool: "call", ModelAnswer: "answer", LimitHeaders: "limits"}
"""Those that are not the class's name in lower case."""


def _tag(cls: type) -> str:
    return _TAGS.get(cls, cls.__name__.lower())


def _converter() -> Converter:
    converter = make_strict(Converter(forbid_extra_keys=True))
    for union in (Block, Reply):
        register_union(converter, union, "type", _tag)
    return converter


_CONVERTER = _converter()


def rules_from_json(body: bytes) -> tuple[Rule, ...]:
    """Read `{"rules": [...]}`; raises BadRules, with what is wrong, for anything else."""
    try:
        data = json.loads(body)
        if not isinstance(data, dict) or not isinstance(data.get("rules"), list):
            raise BadRules('expected {"rules": [{"reply": {"type": "fail", "kind": …}, …}, …]}')
        if not all(isinstance(rule, dict) for rule in data["rules"]):
            raise BadRules("rules: each must be an object")
        return tuple(structured(_CONVERTER, rule, Rule) for rule in data["rules"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadRules(str(error)) from None


def rules_to_json(rules: tuple[Rule, ...]) -> bytes:
    """Write rules as `rules_from_json` reads them."""
    return json.dumps({"rules": _CONVERTER.unstructure(rules)}).encode()


def requests_to_json(requests: list[RecordedRequest]) -> bytes:
    """The recorded requests as a list of objects."""
    return json.dumps(_CONVERTER.unstructure(requests)).encode()
