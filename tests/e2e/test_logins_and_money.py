"""A refused key, a model that is not there, an overload, a budget: the agent waits and goes on."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from support.model_api import ModelApi
from support.running import RunningHive


def message(hive: RunningHive, number: int) -> dict[str, Any]:
    return next(one for one in hive.json("inbox", "manager") if one["id"] == number)


def wait_answered(hive: RunningHive, number: int) -> None:
    hive.wait_event(lambda e: e["kind"] == "message_sent" and e["in_reply_to"] == number)


def test_a_refused_key_needs_a_login_and_a_new_one_goes_on(
    hive: RunningHive, model: ModelApi
) -> None:
    model.rule({"type": "fail", "kind": "bad_key"})
    number = int(hive.ok("send", "manager", "work"))
    waiting = hive.wait_agent("manager", lambda agent: agent["condition"] == "needs_login")
    assert waiting["until"] is None and "hive login" in hive.ok("status")
    hive.wait_agent("manager", lambda agent: agent["queued"] == 1 and agent["leased"] == 0)
    assert message(hive, number)["attempts"] == 0
    turns = [e for e in hive.events("manager") if e["kind"] == "turn_ended"]
    assert [turn["outcome"] for turn in turns] == ["unauthorised"] * 2, "one immediate retry"

    model.clear()
    hive.ok("login", "--credential", "default", stdin="sk-ant-api03-the-new-one\n")
    wait_answered(hive, number)
    assert hive.wait_agent("manager", lambda agent: agent["condition"] == "online")
    shown = hive.ok("audit") + hive.ok("events", "--json") + hive.ok("status", "--json")
    assert "the-new-one" not in shown
    kept = hive.root / "credentials" / "default"
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_model_that_is_not_there_waits_for_the_operator(
    hive: RunningHive, model: ModelApi
) -> None:
    model.rule({"type": "fail", "kind": "no_model"})
    number = int(hive.ok("send", "manager", "work"))
    waiting = hive.wait_agent("manager", lambda agent: agent["condition"] == "parked")
    assert waiting["until"] is None and "model" in waiting["reason"]
    assert message(hive, number)["attempts"] == 0
    model.clear()
    hive.ok("gate", "release")
    wait_answered(hive, number)


@pytest.mark.parametrize(
    ("reply", "condition", "said"),
    [
        ({"type": "fail", "kind": "overloaded"}, "overloaded", "529"),
        ({"type": "page"}, "unreachable", "something else answers in its place"),
    ],
    ids=["overloaded", "a portal"],
)
def test_an_outage_is_shown_and_passes(
    hive: RunningHive, model: ModelApi, reply: dict[str, Any], condition: str, said: str
) -> None:
    model.rule(reply)
    number = int(hive.ok("send", "manager", "work"))
    waiting = hive.wait_agent("manager", lambda agent: agent["condition"] == condition)
    assert 5 < waiting["until"] - time.time() < 20
    assert said in waiting["reason"]
    assert condition in hive.ok("status")
    model.clear()
    wait_answered(hive, number)
    kept = message(hive, number)
    assert (kept["attempts"], kept["returns"]) == (0, 0)


def test_a_message_that_is_returned_again_and_again_waits_for_the_operator(
    hive: RunningHive, model: ModelApi
) -> None:
    limit = {"type": "fail", "kind": "rate_limit", "should_retry": False}
    model.rule(limit, text="heavy")
    number = int(hive.ok("send", "manager", "heavy"))
    for returns in range(1, 7):
        hive.wait_status(lambda _, n=returns: message(hive, number)["returns"] == n or None)
        hive.wait_agent("manager", lambda agent: agent["condition"] == "rate_limited")
        if returns < 6:
            hive.ok("gate", "release")
    assert message(hive, number)["state"] == "held"
    assert "1 message waits for you" in hive.ok("status")
    assert str(number) in hive.ok("dead")
    model.clear()
    hive.ok("gate", "release")
    hive.ok("retry", str(number))
    wait_answered(hive, number)


def test_a_budget_ends_a_turn_and_a_higher_one_lets_it_go_on(
    hive: RunningHive, model: ModelApi
) -> None:
    number = int(hive.ok("send", "manager", "first"))
    wait_answered(hive, number)
    (spent,) = hive.json("budget")["spent"]
    used = sum(value for key, value in spent["usage"].items() if key.endswith("_tokens"))
    assert spent["agent"] == "manager" and used > 0

    call = {"type": "call", "tool": "Bash", "arguments": {"command": "sleep 2; echo working"}}
    model.rule({"type": "answer", "blocks": [call]}, text="endless")
    hive.ok("budget", "set", "manager", "--per", "day", "--tokens", str(used + 200))
    number = int(hive.ok("send", "manager", "endless"))
    over = hive.wait_agent("manager", lambda agent: agent["condition"] == "over_budget")
    assert over["until"] > time.time() and "budget" in over["reason"]
    hive.wait_agent("manager", lambda agent: agent["leased"] == 0 and agent["queued"] == 1)
    assert message(hive, number)["attempts"] == 0
    assert "manager's budget of today" in hive.ok("status")
    shares = [e["share"] for e in hive.events() if e["kind"] == "budget_reached"]
    assert shares == [0.8, 1.0]

    refused = hive.run("send", "manager", "now!", "--urgent")
    assert refused.returncode == 1 and "reserve" in refused.stderr
    hive.ok("budget", "set", "manager", "--per", "day", "--tokens", "1", "--reserve", "10M")
    urgent = int(hive.ok("send", "manager", "now!", "--urgent"))
    wait_answered(hive, urgent)
    assert message(hive, number)["state"] == "queued", "only what is urgent uses the reserve"

    model.clear()
    hive.ok("budget", "set", "manager", "--per", "day", "--tokens", "100M")
    wait_answered(hive, number)


def test_an_agent_with_a_credential_of_its_own_is_not_held_by_anothers(
    model: ModelApi, make_hive: Callable[..., RunningHive]
) -> None:
    config = '[credentials.second]\napi_key = "sk-ant-api03-second"\n'
    hive = make_hive(model.environment, config=config)
    hive.up()
    hive.ok("spawn", "worker", "--credential", "second")
    hive.ok("gate", "hold")
    held = {one["name"]: one["condition"] for one in hive.json("status")["agents"]}
    assert held == {"manager": "parked", "worker": "online"}
    assert "still here" in hive.ok("send", "worker", "still here", "--wait", "--timeout", "60")
    assert [one["agent"] for one in model.requests()] == ["worker"] * len(model.requests())
