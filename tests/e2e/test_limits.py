"""Ten agents of one credential run into a limit, wait together, and go on one after the other."""

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from support.model_api import ModelApi
from support.running import RunningHive, kinds

AGENTS = ["manager", *(f"worker-{n}" for n in range(1, 10))]
MARGIN_S, SPACING_S = 2.0, 1.0
CONFIG = f"[gate]\nmargin_s = {MARGIN_S}\nspacing_s = {SPACING_S}\n"
TALK = (
    "You've hit your 5-hour limit · resets 3pm. API Error: Request rejected (429) rate_limit_error."
    ' {"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":99999999999}}'
    " Invalid API key · Please run /login. Credit balance is too low."
)


@pytest.fixture
def environment(model: ModelApi) -> dict[str, str]:
    """A subscription: only with one does the API say when a limit resets."""
    plain = model.environment | {"CLAUDE_CODE_OAUTH_TOKEN": "oauth-test-token"}
    del plain["ANTHROPIC_API_KEY"]
    return plain


@pytest.fixture
def ten(
    environment: dict[str, str], make_hive: Callable[..., RunningHive]
) -> Iterator[RunningHive]:
    hive = make_hive(environment, config=CONFIG)
    hive.up()
    for name in AGENTS[1:]:
        hive.ok("spawn", name)
    hive.wait_status(lambda status: all(one["connected"] for one in status["agents"]) or None)
    yield hive


def conditions(hive: RunningHive) -> dict[str, str]:
    return {one["name"]: one["condition"] for one in hive.json("status")["agents"]}


def limit_one_and_queue_for_all(hive: RunningHive, model: ModelApi, reset: int) -> list[int]:
    """The manager runs into the limit; then every other agent gets a message, too."""
    model.rule({"type": "fail", "kind": "limit_5h", "reset": reset})
    numbers = [int(hive.ok("send", "manager", "work"))]
    with hive.follow() as events:
        waiting = set(AGENTS)
        while waiting:
            event = events.wait_for(kinds("status_changed", condition="rate_limited"))
            assert reset <= event["until"] <= reset + 60 and event["credential"] == "default"
            waiting.discard(event["agent"])
    numbers += [int(hive.ok("send", name, "work")) for name in AGENTS[1:]]
    assert [one["agent"] for one in model.requests()] == ["manager"], "nobody else ran into it"
    return numbers


def answered(hive: RunningHive, numbers: list[int], timeout: float = 120) -> list[dict[str, Any]]:
    """Wait until every message has its answer; all answers."""
    missing = set(numbers)
    with hive.follow() as events:
        while missing:
            event = events.wait_for(
                lambda e: e["kind"] == "message_sent" and e["in_reply_to"] in missing, timeout
            )
            missing.discard(event["in_reply_to"])
    return [one for one in hive.json("inbox") if one["in_reply_to"] in numbers]


def calm(status: dict[str, Any]) -> list[dict[str, Any]] | None:
    """All agents, if none of them has work or waits for anything."""
    agents: list[dict[str, Any]] = status["agents"]
    busy = any(one["leased"] or one["queued"] or one["condition"] != "online" for one in agents)
    return None if busy else agents


def check_all_went_on(hive: RunningHive, numbers: list[int], keepers: dict[str, int]) -> None:
    assert len(answered(hive, numbers)) == len(numbers), "each answered once"
    for agent in hive.wait_status(calm):
        assert agent["restarts"] == 0 and hive.keeper(agent["name"]) == keepers[agent["name"]]
        done = [one for one in hive.json("inbox", agent["name"]) if one["id"] in numbers]
        assert [(one["state"], one["attempts"]) for one in done] == [("done", 0)]


def first_requests(model: ModelApi, since: float) -> dict[str, float]:
    """When each agent asked first after `since`, in that order."""
    first: dict[str, float] = {}
    for one in model.requests():
        if one["at"] >= since:
            first.setdefault(one["agent"], one["at"])
    return first


@pytest.mark.parametrize("restart", [False, True], ids=["", "through a restart of the daemon"])
def test_one_probes_and_the_others_follow(ten: RunningHive, model: ModelApi, restart: bool) -> None:
    keepers = {name: ten.keeper(name) for name in AGENTS}
    reset = int(time.time()) + 30  # ten sends of a slow machine come before it
    numbers = limit_one_and_queue_for_all(ten, model, reset)
    (gate,) = ten.json("gate")
    assert (gate["credential"], gate["state"], gate["condition"]) == (
        "default",
        "closed",
        "rate_limited",
    )
    assert (gate["waiting"], gate["queued"]) == (10, 10)
    assert "10 agents wait, 10 messages queued" in ten.ok("status")
    if restart:
        ten.kill_daemon()
        ten.up()
        assert set(conditions(ten).values()) == {"rate_limited"}
    model.clear()  # from now on the API would answer, but nobody may know before the reset
    slow = {"type": "delay", "seconds": 3.0, "reply": {"type": "persona"}}
    model.rule(slow, count=1)
    check_all_went_on(ten, numbers, keepers)

    first = first_requests(model, reset - 5)
    names, times = list(first), list(first.values())
    assert len(names) == 10 and times[0] >= reset + MARGIN_S
    probe_answered = times[0] + 3.0
    assert times[1] >= probe_answered, "one request from the probing agent, then the rest"
    gaps = [after - before for before, after in pairwise(times[1:])]
    assert sum(gaps) / len(gaps) >= 0.75 * SPACING_S, gaps


def test_hold_and_release(ten: RunningHive, model: ModelApi) -> None:
    keepers = {name: ten.keeper(name) for name in AGENTS}
    ten.ok("gate", "hold", "--reason", "billing week")
    assert set(conditions(ten).values()) == {"parked"}
    numbers = [int(ten.ok("send", name, "work")) for name in AGENTS]
    ten.kill_daemon()
    ten.up()
    status = ten.json("status")
    assert {one["reason"] for one in status["agents"]} == {"held by the operator: billing week"}
    assert model.requests() == []
    ten.ok("gate", "release")
    check_all_went_on(ten, numbers, keepers)
    done = [(entry["action"], entry["target"]) for entry in ten.json("audit")]
    assert ("gate hold", "default") in done and ("gate release", "default") in done


def test_who_talks_about_limits_is_not_limited(
    environment: dict[str, str], model: ModelApi, make_hive: Callable[..., RunningHive]
) -> None:
    hive = make_hive(environment, config=CONFIG)
    hive.up()
    call = {"type": "call", "tool": "Bash", "arguments": {"command": f"echo '{TALK}' >&2; exit 1"}}
    speech = {"type": "answer", "blocks": [{"type": "say", "text": TALK}, call]}
    model.rule(speech, count=1)
    model.rule({"type": "answer", "blocks": [{"type": "say", "text": TALK}]})
    with hive.follow() as events:
        number = int(hive.ok("send", "manager", TALK))
        events.wait_for(kinds("turn_ended", outcome="completed"))
    assert conditions(hive) == {"manager": "online"}
    (message,) = [one for one in hive.json("inbox", "manager") if one["id"] == number]
    assert message["attempts"] == 0
    assert [one["state"] for one in hive.json("gate")] in ([], ["open"])
    seen = hive.events("manager")
    assert not [e for e in seen if e.get("condition", "online") != "online"]
