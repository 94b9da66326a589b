"""Processes that are stopped and do not answer: found, replaced, and nothing is lost by it."""

import os
import signal
import time
from collections.abc import Callable

from support.model_api import ModelApi
from support.running import RunningHive, kinds, processes_of

SILENCE_S = 12.0


def test_whatever_is_stopped_is_found_and_a_stopped_daemon_blames_nobody(
    model: ModelApi, make_hive: Callable[..., RunningHive]
) -> None:
    hive = make_hive(model.environment, config=f"[agents]\nharness_silence_s = {SILENCE_S}\n")
    hive.up()
    hive.wait_agent("manager", lambda agent: agent["connected"])

    # A harness, and the page's process.
    (web,) = [pid for pid, line in processes_of(str(hive.root)) if " -m web " in line]
    harness = hive.process_inside("manager", "harness")
    with hive.follow() as events:
        for pid in (web, harness):
            os.kill(pid, signal.SIGSTOP)
        events.wait_for(lambda e: e["kind"] == "notice" and "has not answered for" in e["text"])
        assert "still there?" in hive.ok("send", "manager", "still there?", "--wait")
        events.wait_for(kinds("supervision", event="started", path="hive/web"))
    assert hive.process_inside("manager", "harness") != harness
    assert [pid for pid, line in processes_of(str(hive.root)) if " -m web " in line] != [web]

    # The daemon itself, in the middle of a turn and for longer than a harness may be silent.
    restarts = hive.agent("manager")["restarts"]
    harness = hive.process_inside("manager", "harness")
    slow = {"type": "delay", "seconds": SILENCE_S}
    model.rule(slow, agent="manager", text="slow", count=1)
    asked = len(model.requests("manager"))
    number = int(hive.ok("send", "manager", "slow"))
    model.wait_requests(asked + 1, "manager")
    os.kill(hive.pid, signal.SIGSTOP)
    time.sleep(SILENCE_S + 6)  # the standstill itself
    os.kill(hive.pid, signal.SIGCONT)
    moved = hive.wait_event(lambda e: e["kind"] == "message_moved" and number in e["ids"])
    assert moved is not None
    hive.wait_agent("manager", lambda agent: agent["leased"] == 0 and agent["queued"] == 0)
    message = next(one for one in hive.json("inbox", "manager") if one["id"] == number)
    assert (message["state"], message["attempts"], message["redelivered"]) == ("done", 0, False)
    assert hive.agent("manager")["restarts"] == restarts
    assert hive.process_inside("manager", "harness") == harness
    hive.wait_event(lambda e: e["kind"] == "notice" and "stood still for" in e["text"])

    # And it is stopped when the operator wants it to end.
    os.kill(hive.pid, signal.SIGSTOP)
    began = time.monotonic()
    assert "stopped" in hive.ok("down")
    assert time.monotonic() - began < 40
    assert list(processes_of(str(hive.root))) == []
