"""The operator's acts on the tree, recorded in the audit, through a restart of the daemon."""

import os
import signal
import time

from support.model_api import ModelApi
from support.running import RunningHive, processes_of


def test_an_agent_is_parked_and_unparked(hive: RunningHive) -> None:
    hive.ok("park", "manager", "--reason", "lunch")
    status = hive.agent("manager")
    assert (status["state"], status["reason"], status["until"]) == ("parked", "lunch", None)
    number = int(hive.ok("send", "manager", "are you back?"))
    assert hive.agent("manager")["queued"] == 1

    hive.kill_daemon()
    hive.up()
    status = hive.agent("manager")
    assert (status["state"], status["reason"], status["queued"]) == ("parked", "lunch", 1)

    with hive.follow() as events:
        hive.ok("unpark", "manager")
        events.wait_for(lambda e: e["kind"] == "message_moved" and e["state"] == "done")
    (message,) = [one for one in hive.json("inbox", "manager") if one["id"] == number]
    assert (message["state"], message["attempts"]) == ("done", 0)

    done = [(entry["action"], entry["target"], entry["outcome"]) for entry in hive.json("audit")]
    assert done == [(act, "manager", "done") for act in ("park", "send", "unpark")]
    assert all("uid" in entry["who"] and entry["at"] > 0 for entry in hive.json("audit"))


def test_a_park_ends_by_itself(hive: RunningHive) -> None:
    began = time.time()
    hive.ok("park", "manager", "--for", "3s")
    assert hive.agent("manager")["state"] == "parked"
    assert "now?" in hive.ok("send", "manager", "now?", "--wait", "--timeout", "60")
    assert time.time() - began >= 3


def test_suspend_and_resume(hive: RunningHive) -> None:
    hive.ok("suspend", "manager")
    hive.ok("send", "manager", "hello")
    assert hive.agent("manager")["queued"] == 1
    with hive.follow() as events:
        hive.ok("resume", "manager")
        events.wait_for(lambda e: e["kind"] == "message_moved" and e["state"] == "done")


def test_kick_restarts_one_child_and_its_history_tells(hive: RunningHive) -> None:
    keeper = hive.keeper("manager")
    hive.ok("kick", "hive/agents/manager/container")
    child = hive.json("tree", "hive/agents/manager/container")
    assert child["node"]["path"] == "hive/agents/manager/container"
    assert [one["event"] for one in child["history"]].count("started") >= 2
    assert hive.keeper("manager") == keeper, "the container was let go of and adopted again"
    assert "container" in hive.ok("tree", "hive/agents/manager")


def test_a_path_that_is_not_there_is_said(hive: RunningHive) -> None:
    for path in ("nowhere", "hive/agents/nobody/serve", "hive/nothing", "", "hive"):
        done = hive.run("kick", "--", path)
        assert done.returncode == 1 and "hive status" in done.stderr, path
    inside = hive.run("park", "hive/agents/manager/harness/serve")
    assert inside.returncode == 1 and "restart its agent" in inside.stderr


def test_any_park_outlives_the_daemon_and_the_essential_cannot_be_parked(
    hive: RunningHive,
) -> None:
    hive.ok("park", "hive/web", "--for", "1h", "--reason", "quiet")
    hive.kill_daemon()
    hive.up()
    node = hive.json("tree", "hive/web")["node"]
    assert (node["state"], node["reason"]) == ("parked", "quiet")
    assert 3000 < node["until"] - time.time() < 3610
    hive.ok("unpark", "hive/web")
    hive.kill_daemon()
    hive.up()
    assert hive.json("tree", "hive/web")["node"]["state"] == "running"
    for path in ("hive/store", "hive/gate", "hive/budgets", "hive/limits", "hive/questions"):
        refused = hive.run("park", path)
        assert refused.returncode == 1 and "cannot work without" in refused.stderr, path


def test_stop_ends_a_container_that_nobody_watches(hive: RunningHive) -> None:
    hive.ok("park", "hive/agents/manager/container")  # lets go of the container
    assert [line for _, line in processes_of(str(hive.root)) if "bwrap" in line]
    hive.ok("stop", "manager")
    assert [line for _, line in processes_of(str(hive.root)) if "bwrap" in line] == []


def test_a_failure_is_told_in_full(hive: RunningHive, model: ModelApi) -> None:
    os.kill(hive.keeper("manager"), signal.SIGKILL)
    hive.wait_event(lambda e: e["kind"] == "supervision" and e["event"] == "exited" and e["report"])
    child = hive.json("tree", "hive/agents/manager/container")
    assert "ContainerEnded" in child["report"] and "ancestors: hive > agents" in child["report"]
    assert "in _watch" in child["report"], "the frames of the cause"
    shown = hive.ok("tree", "hive/agents/manager/container")
    assert "Last failure:\n" in shown and "ancestors" in shown
    assert "test-key-1234" not in shown


def test_a_part_of_a_harness_is_shown_with_its_history(hive: RunningHive) -> None:
    path = "hive/agents/manager/harness/serve"
    hive.wait_event(lambda e: e["kind"] == "supervision" and e["path"] == path)
    child = hive.json("tree", path)
    assert child["node"]["state"] == "running"
    assert [one["event"] for one in child["history"]] == ["started"]


def test_only_an_agent_can_be_suspended(hive: RunningHive) -> None:
    refused = hive.run("suspend", "hive/web")
    assert refused.returncode == 1 and "park this child" in refused.stderr


def test_a_destroyed_agent_gives_back_what_it_had_not_done(hive: RunningHive) -> None:
    hive.ok("spawn", "worker")
    (hive.root / "agents/worker/state/notes").write_text("kept")
    hive.ok("stop", "worker")
    number = int(hive.ok("send", "worker", "too late"))
    assert "destroyed" in hive.ok("destroy", "worker", "--yes")
    (bounce,) = [one for one in hive.json("inbox") if one["in_reply_to"] == number]
    assert bounce["from"] == "hive" and "its recipient was destroyed" in bounce["body"]
    assert [one["name"] for one in hive.json("status")["agents"]] == ["manager"]
    assert hive.run("send", "worker", "hello?").returncode == 1
    (kept,) = (hive.root / "destroyed").iterdir()
    assert kept.name.startswith("worker-") and (kept / "state/notes").read_text() == "kept"
    assert ("destroy", "worker") in [(one["action"], one["target"]) for one in hive.json("audit")]
    hive.ok("spawn", "worker")
    assert not (hive.root / "agents/worker/state/notes").exists()
    assert "new here" in hive.ok("send", "worker", "new here", "--wait", "--timeout", "60")
