"""The demo's agents, as conversations without an API."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.demo.persona import FIRST_TASK, SEND, answer
from hive.demo.reply import Answer, Call, Say
from hive.demo.request import parse

CAP = 16384
"""Bytes that the hive allows in a message's body."""


def prompt(number: int, sender: str, body: str, in_reply_to: int | None = None) -> str:
    reply = f" (in reply to {in_reply_to})" if in_reply_to else ""
    head = f"[hive] message {number} from {sender}{reply}"
    return f"{head}\n{body}\n[hive] end of message {number}"


def request(name: str, *messages: dict[str, Any], others: str = "worker-1, worker-2") -> bytes:
    system = f"Some text.\nYou are {name}, an agent of this hive.\nOthers in this hive: {others}"
    return json.dumps(
        {
            "model": "claude-test",
            "system": [{"type": "text", "text": system}],
            "messages": list(messages),
            "tools": [{"name": SEND}, {"name": "Bash"}],
        }
    ).encode()


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def result(text: str = "sent", *, error: bool = False) -> dict[str, Any]:
    content = [{"type": "text", "text": text}]
    block = {"type": "tool_result", "tool_use_id": "t1", "content": content, "is_error": error}
    return {"role": "user", "content": [block]}


def used(call: Call) -> dict[str, Any]:
    block = {"type": "tool_use", "id": "t1", "name": call.tool, "input": dict(call.arguments)}
    return {"role": "assistant", "content": [block]}


def reply(name: str, *messages: dict[str, Any], others: str = "worker-1, worker-2") -> Answer:
    given_ = answer(parse(request(name, *messages, others=others)))
    assert isinstance(given_, Answer)
    return given_


def calls(said: Answer) -> list[Call]:
    return [block for block in said.blocks if isinstance(block, Call)]


def only_send(name: str, *messages: dict[str, Any], others: str = "worker-1") -> dict[str, Any]:
    (call,) = calls(reply(name, *messages, others=others))
    assert call.tool == SEND
    return dict(call.arguments)


@pytest.mark.parametrize("body", ["Welcome!", "your first task", "Please get started."])
def test_the_manager_starts_the_demo_with_worker_1(body: str) -> None:
    sent = only_send("manager", user(prompt(1, "operator", body)), others="")
    assert sent == {"to": "worker-1", "body": FIRST_TASK}


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ("please delegate this", "worker-1"),
        ("Ask worker-2 how it is", "worker-2"),
        ("tell worker-7: rest", "worker-7"),
        ("ask zoe about bees", "zoe"),
    ],
)
def test_the_manager_delegates_what_it_is_told_to(body: str, target: str) -> None:
    sent = only_send("manager", user(prompt(1, "operator", body)), others="worker-1, worker-2, zoe")
    assert sent == {"to": target, "body": f"The operator asks: {body}"}


@pytest.mark.parametrize("body", ["How are you?", "may I ask you something", "thanks", ""])
@pytest.mark.parametrize("name", ["manager", "worker-1", "zoe"])
def test_anything_else_of_the_operator_is_answered(name: str, body: str) -> None:
    sent = only_send(name, user(prompt(7, "operator", body)))
    assert (sent["to"], sent["in_reply_to"]) == ("operator", 7)
    assert sent["body"].startswith(f"You said: {body}\n")


def test_a_worker_never_delegates() -> None:
    assert only_send("worker-1", user(prompt(7, "operator", "welcome")))["to"] == "operator"


def test_a_worker_answers_the_manager() -> None:
    sent = only_send("worker-1", user(prompt(4, "manager", "What is honey?")))
    assert (sent["to"], sent["in_reply_to"]) == ("manager", 4)
    assert "What is honey?" in sent["body"]


def test_the_manager_passes_an_answer_on_to_the_operator() -> None:
    sent = only_send("manager", user(prompt(5, "worker-1", "bees dance", 4)))
    assert sent == {"to": "operator", "body": 'worker-1 reports: "bees dance"'}


@pytest.mark.parametrize("body", ["Thanks!", "thank you very much", "ok", "Got it."])
@pytest.mark.parametrize(("name", "sender"), [("manager", "worker-1"), ("worker-1", "manager")])
def test_thanks_between_agents_end_there(name: str, sender: str, body: str) -> None:
    assert calls(reply(name, user(prompt(5, sender, body)))) == []


def test_a_reply_between_workers_ends_there() -> None:
    assert calls(reply("worker-1", user(prompt(5, "worker-2", "I agree", 4)))) == []


def test_the_turn_ends_after_the_send() -> None:
    wake = user(prompt(1, "operator", "welcome"))
    (call,) = calls(reply("manager", wake))
    said = reply("manager", wake, used(call), result())
    assert said.blocks == (Say("I have asked worker-1 and wait for the answer."),)


def test_an_unreachable_agent_is_told_to_the_operator_once() -> None:
    history = [user(prompt(1, "operator", "welcome"))]
    (call,) = calls(reply("manager", *history))
    history += [used(call), result("no agent worker-1", error=True)]
    (told,) = calls(reply("manager", *history))
    assert told.arguments == {
        "to": "operator",
        "body": "I could not reach worker-1: no agent worker-1",
        "in_reply_to": 1,
    }
    history += [used(told), result("down", error=True)]
    # Both results bear the id of a send; the last one decides.
    assert calls(reply("manager", *history)) == []


def test_another_tools_result_changes_nothing() -> None:
    wake = user(prompt(1, "operator", "hm"))
    before = reply("manager", wake)
    assert reply("manager", wake, used(Call("Bash", {"command": "ls"})), result()) == before


def test_a_new_wake_starts_anew() -> None:
    first = user(prompt(1, "operator", "one"))
    (call,) = calls(reply("manager", first))
    second = user(prompt(2, "operator", "two"))
    sent = only_send("manager", first, used(call), result(), second)
    assert sent["in_reply_to"] == 2


def test_a_compaction_is_answered_with_a_summary() -> None:
    said = reply("manager", user("REMINDER: Do NOT call any tools. Summarise."))
    assert calls(said) == []
    assert "<summary>" in str(said)


@given(
    st.lists(
        st.tuples(st.sampled_from(["manager", "worker-1", "worker-2"]), st.text(max_size=60)),
        min_size=1,
        max_size=3,
    )
)
def test_agents_left_alone_fall_silent(first: list[tuple[str, str]]) -> None:
    """Deliver every send: the traffic ends, and each operator's message reaches the operator."""
    queue = [(to, "operator", body, None) for to, body in first]
    heard = delivered = 0
    while queue:
        to, sender, body, parent = queue.pop(0)
        delivered += 1
        assert delivered <= 4 * len(first)
        for call in calls(reply(to, user(prompt(delivered, sender, body, parent)))):
            arguments = call.arguments
            if arguments["to"] == "operator":
                heard += 1
            else:
                assert re.fullmatch(r"manager|worker-\d+", arguments["to"])
                queue.append((arguments["to"], to, arguments["body"], arguments.get("in_reply_to")))
    assert heard == len(first)


@pytest.mark.parametrize("name", ["manager", "worker-1"])
@pytest.mark.parametrize("sender", ["operator", "manager", "worker-1"])
@pytest.mark.parametrize("body", ["🐝" * CAP, "delegate " + "é" * CAP])
def test_no_answer_exceeds_the_cap(name: str, sender: str, body: str) -> None:
    (call,) = calls(reply(name, user(prompt(1, sender, body))))
    assert len(str(call.arguments["body"]).encode()) < CAP


def test_a_quote_is_as_long_as_it_may_be() -> None:
    body = "x" * 2000
    assert body in only_send("manager", user(prompt(1, "worker-1", body)))["body"]
