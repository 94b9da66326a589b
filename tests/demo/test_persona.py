"""The demo's agents, as conversations without an API."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.tools import framed_all
from hive.demo.persona import ANSWER, FIRST_TASK, SEND, answer
from hive.demo.reply import CallTool, ModelAnswer, Say
from hive.demo.request import parse
from hive.questions import texts
from hive.wire.messages import Message
from hive.wire.questions import Question
from hive.wire.turns import Lease

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
            "tools": [{"name": SEND}, {"name": ANSWER}, {"name": "Bash"}],
        }
    ).encode()


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def result(text: str = "sent", *, error: bool = False) -> dict[str, Any]:
    content = [{"type": "text", "text": text}]
    block = {"type": "tool_result", "tool_use_id": "t1", "content": content, "is_error": error}
    return {"role": "user", "content": [block]}


def used(call: CallTool) -> dict[str, Any]:
    block = {"type": "tool_use", "id": "t1", "name": call.tool, "input": dict(call.arguments)}
    return {"role": "assistant", "content": [block]}


def reply(name: str, *messages: dict[str, Any], others: str = "worker-1, worker-2") -> ModelAnswer:
    given_ = answer(parse(request(name, *messages, others=others)))
    assert isinstance(given_, ModelAnswer)
    return given_


def calls(said: ModelAnswer) -> list[CallTool]:
    return [block for block in said.blocks if isinstance(block, CallTool)]


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
    wake_prompt = user(prompt(1, "operator", "welcome"))
    (call,) = calls(reply("manager", wake_prompt))
    said = reply("manager", wake_prompt, used(call), result())
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
    wake_prompt = user(prompt(1, "operator", "hm"))
    before = reply("manager", wake_prompt)
    assert (
        reply("manager", wake_prompt, used(CallTool("Bash", {"command": "ls"})), result()) == before
    )


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
@pytest.mark.parametrize("sender", ["operator", "worker-2"])
@pytest.mark.parametrize("body", ["🐝" * CAP, "delegate " + "é" * CAP])
def test_no_answer_exceeds_the_cap(name: str, sender: str, body: str) -> None:
    (call,) = calls(reply(name, user(prompt(1, sender, body))))
    assert len(str(call.arguments["body"]).encode()) < CAP


def test_a_quote_is_as_long_as_it_may_be() -> None:
    body = "x" * 2000
    assert body in only_send("manager", user(prompt(1, "worker-1", body)))["body"]


# --- prompts as the harness writes them ------------------------------------------------------


def delivered(to: str, sender: str, body: str, **more: Any) -> dict[str, Any]:
    """The wake prompt of one message, by the harness itself."""
    return user(framed_all(Lease("lease", (Message(9, sender, to, body, 0.0, **more),), 0)))


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("name", ["manager", "worker-1", "zoe"])
def test_a_broadcast_of_the_operator_is_answered_by_everybody(name: str, again: bool) -> None:
    sent = only_send(
        name, delivered(name, "operator", "Who is up?", broadcast_id="b", redelivered=again)
    )
    assert (sent["to"], sent["in_reply_to"]) == ("operator", 9)
    assert "Who is up?" in sent["body"]


@pytest.mark.parametrize("name", ["manager", "worker-1"])
def test_a_broadcast_of_an_agent_is_read_and_costs_nobody_a_turn(name: str) -> None:
    said = reply(name, delivered(name, "worker-2", "I am back", broadcast_id="b"))
    assert calls(said) == [] and "worker-2" in str(said)


@pytest.mark.parametrize(
    ("options", "given_"),
    [((), {"text"}), (("red", "blue"), {"options"}), (("a", "b"), {"options"})],
)
@pytest.mark.parametrize("name", ["manager", "worker-1"])
def test_a_question_is_answered_with_its_own_tool_once(
    name: str, options: tuple[str, ...], given_: set[str]
) -> None:
    question = Question(9, "worker-2", name, "Which colour?", 0.0, options)
    wake_prompt = delivered(name, "worker-2", texts.asking(question))
    (call,) = calls(reply(name, wake_prompt))
    assert call.tool == ANSWER and call.arguments["question"] == 9
    assert call.arguments.keys() == {"question"} | given_
    for failed in (False, True):
        assert calls(reply(name, wake_prompt, used(call), result("over", error=failed))) == []


@pytest.mark.parametrize("name", ["manager", "worker-1"])
def test_how_a_question_ended_is_read_only(name: str) -> None:
    question = Question(5, name, "zoe", "Red?", 0.0, answer="yes", answered_by="operator")
    for sender, body in (
        ("operator", texts.answering(question)),
        ("zoe", texts.answering(question)),
        ("zoe", texts.withdrawing(question)),
    ):
        assert calls(reply(name, delivered(name, sender, body, in_reply_to=5))) == [], body


@pytest.mark.parametrize(
    "body",
    ["Reminder 3, due now:\nlook", 'Woken from within your container by "build":\nit is done',
     "You asked for one more turn: half is left", "Schedule 1 of zoe (every 60 s):\nlook"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["manager", "worker-1", "zoe"])
def test_what_an_agent_orders_for_itself_is_read_and_does_not_wake_it_again(
    name: str, body: str
) -> None:
    said = reply(name, delivered(name, name, body))
    assert calls(said) == [] and body.split("\n")[0] in str(said)


@pytest.mark.parametrize("reply_to", [None, 4])
def test_what_the_hive_says_is_not_answered_to_the_hive(reply_to: int | None) -> None:
    bounce = "Your message 4 to worker-7 was given up after 5 failed attempts"
    assert calls(reply("zoe", delivered("zoe", "hive", bounce, in_reply_to=reply_to))) == []
    sent = only_send("manager", delivered("manager", "hive", bounce, in_reply_to=reply_to))
    assert sent["to"] == "operator" and "The hive reports" in sent["body"]
