"""Rules: which request gets which reply, and their JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.demo import (
    CallTool,
    Delay,
    Drop,
    Fail,
    FailKind,
    LimitHeaders,
    MessagesRequest,
    ModelAnswer,
    Persona,
    Reply,
    Rule,
    Say,
    Script,
    Stall,
)
from hive.demo.control import BadRules, rules_from_json, rules_to_json
from hive.demo.request import TextPart
from hive.demo.script import resolve

FAIL = Fail(FailKind.OVERLOADED)


def ask(agent: str = "manager", body: str = "hello") -> MessagesRequest:
    wake_prompt = f"[hive] message 1 from operator\n{body}\n[hive] end of message 1"
    return MessagesRequest(
        system=f"You are {agent}, an agent of this hive", parts=(TextPart("user", wake_prompt),)
    )


def test_without_rules_the_persona_answers() -> None:
    assert isinstance(Script().decide(ask()), ModelAnswer)


def test_a_rule_takes_only_its_agent_and_text() -> None:
    script = Script((Rule(FAIL, agent="worker-1", text="boom"),))
    asked = [ask(), ask("worker-1"), ask(body="boom"), ask("worker-1", "a boom b")]
    assert [script.decide(r) == FAIL for r in asked] == [False, False, False, True]


def test_skip_and_count_choose_the_nth_requests() -> None:
    script = Script((Rule(FAIL, skip=1, count=2),))
    assert [script.decide(ask()) == FAIL for _ in range(5)] == [False, True, True, False, False]


def test_the_first_rule_wins_and_the_next_counts_only_what_reaches_it() -> None:
    script = Script((Rule(Drop(), count=1), Rule(FAIL, skip=1, count=1)))
    persona = resolve(Persona(), ask())
    assert [script.decide(ask()) for _ in range(4)] == [Drop(), persona, FAIL, persona]


def test_rules_can_be_added_and_cleared_while_others_count() -> None:
    script = Script((Rule(FAIL, count=1),))
    script.decide(ask())
    script.add(Rule(Drop(), count=1))
    assert script.decide(ask()) == Drop()
    script.add(Rule(FAIL))
    script.clear()
    assert isinstance(script.decide(ask()), ModelAnswer)
    assert [r.rule for r in script.requests] == [0, 1, None]


def test_the_persona_is_put_into_what_wraps_it() -> None:
    wrapped = resolve(Delay(1.0, LimitHeaders()), ask())
    assert isinstance(wrapped, Delay)
    assert isinstance(wrapped.reply, LimitHeaders)
    assert isinstance(wrapped.reply.reply, ModelAnswer)


def test_what_was_asked_is_recorded() -> None:
    script = Script()
    script.decide(ask("worker-1", "boom"), "key")
    (recorded,) = script.requests
    assert (recorded.agent, recorded.auth, recorded.rule) == ("worker-1", "key", None)
    assert "boom" in recorded.text


REPLIES: st.SearchStrategy[Reply] = st.deferred(
    lambda: st.one_of(
        st.builds(Persona),
        st.builds(
            ModelAnswer,
            st.lists(
                st.one_of(
                    st.builds(Say, st.text(max_size=5), st.floats(0, 9)),
                    st.builds(
                        CallTool,
                        st.text(max_size=5),
                        st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
                    ),
                ),
                max_size=3,
            ).map(tuple),
            st.sampled_from([None, "refusal", "max_tokens"]),
        ),
        st.builds(
            Fail,
            st.sampled_from(FailKind),
            st.none() | st.text(max_size=5),
            st.none() | st.integers(0, 99),
            st.none() | st.booleans(),
            st.none() | st.integers(0, 2**40),
            st.booleans(),
            st.sampled_from([None, "five_hour", "seven_day_opus"]),
        ),
        st.builds(
            Stall,
            st.sampled_from(["headers", "stream"]),
            st.text(max_size=5),
            st.none() | st.floats(0, 9),
        ),
        st.builds(Drop, st.sampled_from(["headers", "stream"])),
        st.builds(Delay, st.floats(0, 9), REPLIES),
        st.builds(LimitHeaders, reply=REPLIES, overage=st.booleans()),
    )
)


@given(st.lists(st.builds(Rule, REPLIES, skip=st.integers(0, 5)), max_size=3).map(tuple))
def test_rules_survive_json(rules: tuple[Rule, ...]) -> None:
    again = rules_from_json(rules_to_json(rules))
    assert again == rules


def test_kinds_become_kinds() -> None:
    (rule,) = rules_from_json(b'{"rules": [{"reply": {"type": "fail", "kind": "limit_5h"}}]}')
    assert isinstance(rule.reply, Fail)
    assert rule.reply.kind is FailKind.LIMIT_5H


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"reply": {"type": "nope"}}, "expected (one of|an object)"),
        ({"reply": None}, "expected (one of|an object)"),
        ({"reply": {"type": "fail", "kind": "nope"}}, "unknown value 'nope'"),
        ({"reply": {"type": "fail", "kind": []}}, "unknown value"),
        ({"reply": {"type": "stall", "at": "body"}}, "at"),
        ({"reply": {"type": "drop"}, "agnet": "manager"}, "agnet"),
        ({"reply": {"type": "drop"}, "agent": 3}, "agent"),
        ({"reply": {"type": "drop"}, "count": True}, "count"),
        ({"reply": {"type": "answer", "blocks": [{"type": "say"}]}}, "text"),
        ({}, "reply"),
        ("x", "rules"),
    ],
)
def test_bad_rules_are_refused_with_the_reason(rule: object, why: str) -> None:
    with pytest.raises(BadRules, match=why):
        rules_from_json(json.dumps({"rules": [rule]}).encode())


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"rules": 1}', b"[" * 100_000])
def test_what_is_no_list_of_rules_is_refused(body: bytes) -> None:
    with pytest.raises(BadRules):
        rules_from_json(body)
