"""No credential is left in a text, and nothing else is touched."""

import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.redact import KEY_HIDDEN, MOST_EACH, Secrets
from hive.wire.daemon import Notice
from hive.wire.harness import Emit, Report
from hive.wire.messages import Send
from hive.wire.states import AgentState
from hive.wire.tree import TreeNode
from hive.wire.turns import ToolCall

PRINTABLE = st.characters(min_codepoint=33, max_codepoint=126)
SECRETS = st.text(PRINTABLE, min_size=8, max_size=40)
KEY = 'tok_9f2c/77a+b01d=e55f4477!"Q'


def knows(*secrets: str) -> Secrets:
    known = Secrets()
    for number, secret in enumerate(secrets):
        known.learn(secret, f"№{number}")
    return known


@given(st.lists(SECRETS, min_size=1, max_size=4), st.text(max_size=30))
def test_no_value_of_a_credential_is_left(secrets: list[str], around: str) -> None:
    redact = knows(*secrets).redact
    left = redact(around.join(["", *secrets, ""]))
    for number in range(len(secrets)):
        left = left.replace(f"[secret №{number}]", "\0")
    assert not any(secret in left for secret in secrets)


@given(st.text(max_size=60))
def test_text_without_a_secret_is_the_same_object(text: str) -> None:
    assert knows(KEY).redact(text) is text


@pytest.mark.parametrize("form", [KEY, json.dumps(KEY), quote(KEY), quote(KEY, safe="")])
def test_also_in_json_and_in_a_url(form: str) -> None:
    left = knows(KEY).redact(f"before {form} after")
    assert "9f2c" not in left and "e55f" not in left
    assert left.startswith("before ") and left.endswith(" after")


@pytest.mark.parametrize("length", range(len(KEY) // 2, len(KEY)))
def test_a_value_that_is_cut_off_is_hidden_as_far_as_it_goes(length: int) -> None:
    redact = knows(KEY).redact
    assert redact(f"key={KEY[:length]}") == "key=[secret №0]"
    assert redact(f"{KEY[:length]}… and {KEY}") == "[secret №0]… and [secret №0]"


def test_variables_that_hold_none_and_short_values_stay() -> None:
    known = Secrets()
    known.learn_variables(
        [("ANTHROPIC_BASE_URL", "http://127.0.0.1:99"), ("X_KEY", "short"), ("A_TOKEN", KEY)]
    )
    text = "http://127.0.0.1:99 short"
    assert known.redact(text) is text
    assert known.redact(f"A_TOKEN={KEY}") == "A_TOKEN=[secret A_TOKEN]"


def test_the_shape_of_an_api_key_is_enough() -> None:
    redact = Secrets().redact
    assert redact("key sk-ant-api03-abcDEF_9 end") == f"key {KEY_HIDDEN} end"
    assert redact("keys begin with sk-ant-") == "keys begin with sk-ant-"


def test_a_replaced_value_stays_known_and_not_without_end() -> None:
    known = Secrets()
    values = [f"{number:06}-token-number" for number in range(MOST_EACH + 1)]
    for value in values:
        known.learn(value, "of x")
    assert known.redact(values[0]) == values[0]
    assert known.redact(" ".join(values[1:])).count("[secret of x]") == MOST_EACH


def test_every_text_of_a_wire_value_and_nothing_else() -> None:
    redact = knows(KEY).redact_value
    call = ToolCall("t", "i", "Bash", json.dumps({"command": f"curl -H 'x-api-key: {KEY}'"}))
    emit = redact(Emit(7, ((1.5, call), (2.5, Notice("nothing")))))
    assert "9f2c" not in repr(emit)
    assert (emit.first, emit.events[0][0], emit.events[1]) == (7, 1.5, (2.5, Notice("nothing")))
    assert redact(Send("b", f"my key: {KEY}", 3)) == Send("b", "my key: [secret №0]", 3)
    node = TreeNode("a", "worker", AgentState.RUNNING, 1.0, reason=KEY)
    tree = TreeNode("harness", "supervisor", AgentState.RUNNING, 1.0, children=(node,))
    assert redact(Report(tree)).tree.children[0].reason == "[secret №0]"
    plain = Send("b", "no secret")
    assert redact(plain) is plain


@pytest.mark.parametrize(
    "text", [KEY[:14] * 50_000, KEY * 20_000, "sk-ant-" * 100_000, KEY[:13] * 60_000]
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    known = knows(KEY, KEY[:14] + "x" * 14)
    began = time.process_time()
    known.redact(text)
    assert time.process_time() - began < 2
