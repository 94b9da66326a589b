"""Processes killed and hung in mid-turn: nothing is lost or doubled, the hive goes on."""

import json
import os
import select
import signal
import time
from collections.abc import Callable
from typing import Any

from support.model_api import ModelApi
from support.running import RunningHive, kinds, processes_of

SLOW = {"type": "delay", "seconds": 4.0}
HANGS = {"type": "stall", "at": "headers"}


def begin_turn(
    hive: RunningHive, model: ModelApi, reply: dict[str, Any], text: str = "work"
) -> int:
    """Send a message whose turn is answered by `reply`; returns in mid-turn with its id."""
    model.rule(reply, agent="manager", text=text, count=1)
    asked = len(model.requests("manager"))
    number = int(hive.ok("send", "manager", text))
    model.wait_requests(asked + 1, "manager")
    return number


def message(hive: RunningHive, number: int) -> dict[str, Any]:
    return next(one for one in hive.json("inbox", "manager") if one["id"] == number)


def turns(hive: RunningHive, number: int) -> int:
    """How many turns began for this message."""
    lines = hive.ok("events", "manager", "--json", "--limit", "1000").splitlines()
    return sum(
        event["kind"] == "turn_started" and number in event["messages"]
        for event in map(json.loads, lines)
    )


def test_a_killed_harness_gives_its_message_back_marked(hive: RunningHive, model: ModelApi) -> None:
    number = begin_turn(hive, model, HANGS)
    os.kill(hive.process_inside("manager", "harness"), signal.SIGKILL)
    hive.wait_event(kinds("turn_ended", outcome="completed"))
    done = hive.wait_event(lambda e: e["kind"] == "message_moved" and e["state"] == "done")
    assert number in done["ids"]
    assert message(hive, number) | {"redelivered": True, "attempts": 1} == message(hive, number)
    assert "(delivered again)" in model.requests("manager")[-1]["text"]
    assert hive.agent("manager")["restarts"] == 1


def test_a_killed_claude_fails_its_turn_and_the_next_succeeds(
    hive: RunningHive, model: ModelApi
) -> None:
    number = begin_turn(hive, model, HANGS)
    harness = hive.process_inside("manager", "harness")
    os.kill(hive.process_inside("manager", "claude"), signal.SIGKILL)
    hive.wait_event(kinds("turn_ended", outcome="failed"))
    hive.wait_event(kinds("turn_ended", outcome="completed"))
    assert message(hive, number)["attempts"] == 1
    assert hive.process_inside("manager", "harness") == harness, "only claude is replaced"


def test_a_killed_daemon_costs_no_turn(hive: RunningHive, model: ModelApi) -> None:
    number = begin_turn(hive, model, SLOW)
    keeper = hive.keeper("manager")
    claude = hive.process_inside("manager", "claude")
    hive.kill_daemon()
    hive.up()
    hive.wait_event(lambda e: e["kind"] == "message_moved" and number in e["ids"])
    hive.wait_agent("manager", lambda agent: agent["leased"] == 0 and agent["queued"] == 0)
    assert message(hive, number)["state"] == "done"
    assert message(hive, number)["attempts"] == 0 and not message(hive, number)["redelivered"]
    assert hive.keeper("manager") == keeper and hive.process_inside("manager", "claude") == claude
    assert turns(hive, number) == 1
    replies = [one for one in hive.json("inbox") if one["in_reply_to"] == number]
    assert len(replies) == 1


def test_a_turn_that_ended_while_no_daemon_ran_is_acknowledged(
    hive: RunningHive, model: ModelApi
) -> None:
    number = begin_turn(
        hive, model, {"type": "answer", "blocks": [{"type": "say", "text": "x", "over": 2}]}
    )
    hive.kill_daemon()
    model.wait_requests(1, "manager")
    time.sleep(3)  # the turn ends meanwhile; without a daemon there is nobody to tell us
    hive.up()
    hive.wait_agent("manager", lambda agent: agent["leased"] == 0 and agent["queued"] == 0)
    assert message(hive, number)["state"] == "done" and turns(hive, number) == 1


def test_a_killed_page_comes_back(hive: RunningHive) -> None:
    (web,) = [pid for pid, line in processes_of(str(hive.root)) if " -m web " in line]
    with hive.follow() as events:
        os.kill(web, signal.SIGKILL)
        events.wait_for(
            lambda e: (
                e["kind"] == "supervision" and e["event"] == "exited" and e["path"] == "hive/web"
            )
        )
        events.wait_for(
            lambda e: (
                e["kind"] == "supervision" and e["event"] == "started" and e["path"] == "hive/web"
            )
        )
    assert hive.agent("manager")["restarts"] == 0


def test_sigterm_in_mid_turn_ends_everything_in_order(hive: RunningHive, model: ModelApi) -> None:
    number = begin_turn(hive, model, HANGS)
    began = time.monotonic()
    assert hive.terminate() == 0
    assert time.monotonic() - began < 20
    assert list(processes_of(str(hive.root))) == []
    hive.up()
    hive.wait_event(kinds("turn_ended", outcome="completed"))
    assert message(hive, number)["attempts"] == 0


def test_down_ends_containers_that_no_daemon_watches(hive: RunningHive, model: ModelApi) -> None:
    begin_turn(hive, model, HANGS)
    hive.kill_daemon()
    assert "manager" in hive.ok("down")
    assert list(processes_of(str(hive.root))) == []


def test_a_hung_serve_loop_is_found_and_the_turn_driven(
    model: ModelApi, make_hive: Callable[..., RunningHive]
) -> None:
    hive = make_hive({**model.environment, "HIVE_FAULT": "serve.hang:once"})
    hive.up()
    assert "still there?" in hive.ok("send", "manager", "still there?", "--wait", "--timeout", "80")


def test_a_usage_limit_parks_until_the_reset(
    model: ModelApi, make_hive: Callable[..., RunningHive]
) -> None:
    environment = model.environment | {"CLAUDE_CODE_OAUTH_TOKEN": "test-token"}
    del environment["ANTHROPIC_API_KEY"]
    hive = make_hive(environment)
    hive.up()
    reset = int(time.time()) + 12
    limit = {"type": "fail", "kind": "limit_5h", "reset": reset}
    model.rule(limit, agent="manager", count=1)
    with hive.follow() as events:
        number = int(hive.ok("send", "manager", "work"))
        parked = events.wait_for(kinds("status_changed", state="parked"))
        assert reset <= parked["until"] <= reset + 20 and "limit" in parked["reason"]
        assert hive.agent("manager")["queued"] == 1
        assert message(hive, number)["attempts"] == 0
        hive.kill_daemon()
    hive.up()
    status = hive.agent("manager")
    assert status["state"] == "parked" and reset <= status["until"] <= reset + 20
    hive.wait_event(kinds("turn_ended", outcome="completed"))
    assert time.time() >= reset
    assert message(hive, number)["attempts"] == 0


def test_a_message_that_always_fails_is_given_up_with_a_bounce(
    hive: RunningHive, model: ModelApi
) -> None:
    model.rule({"type": "fail", "kind": "bad_request"}, agent="manager", text="poison")
    number = int(hive.ok("send", "manager", "poison"))
    hive.wait_event(lambda e: e["kind"] == "message_moved" and e["state"] == "dead", timeout=120)
    assert message(hive, number)["attempts"] == 5
    bounce = next(one for one in hive.json("inbox") if one["in_reply_to"] == number)
    assert bounce["from"] == "hive" and "poison" in bounce["body"]


def test_a_harness_that_is_left_alone_ends_its_container(
    model: ModelApi, make_hive: Callable[..., RunningHive]
) -> None:
    hive = make_hive(model.environment, config="[agents]\norphan_after_s = 2\n")
    hive.up()
    hive.wait_agent("manager", lambda agent: agent["connected"])  # and so told of its limit
    before = hive.keeper("manager")
    keeper = os.pidfd_open(before)
    hive.kill_daemon()
    assert select.select([keeper], [], [], 30)[0], "the container is still there"
    os.close(keeper)
    hive.up()
    assert hive.keeper("manager") != before, "a fresh container, for the old one has ended"
