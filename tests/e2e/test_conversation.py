"""What a newcomer sees: two agents talk, the operator joins in, all of it ends in order."""

import json
import urllib.request
from collections.abc import Callable

from support.running import RunningHive, processes_of, scrubbed

AGENT_KEYS = {"name", "state", "reason", "until", "queued", "leased", "turn", "model"}
AGENT_KEYS |= {"last_tick_age_s"}
NODE_KEYS = {"path", "kind", "state", "reason", "until", "since", "restarts", "last_tick_age_s"}
NODE_KEYS |= {"children"}
INBOX_KEYS = {"id", "from", "to", "body", "in_reply_to", "broadcast_id", "sent_at", "state"}
INBOX_KEYS |= {"attempts", "redelivered", "urgent", "returns"}


def test_the_demo_from_start_to_end(make_hive: Callable[..., RunningHive]) -> None:
    hive = make_hive(scrubbed())
    hive.up("--demo")

    hive.wait_event(lambda e: e["kind"] == "message_sent" and e["recipient"] == "operator")
    flow = [(e["sender"], e["recipient"]) for e in hive.events() if e["kind"] == "message_sent"]
    assert flow == [
        ("operator", "manager"),
        ("manager", "worker-1"),
        ("worker-1", "manager"),
        ("manager", "operator"),
    ]
    (summary,) = hive.json("inbox")
    assert set(summary) == INBOX_KEYS
    assert (summary["from"], summary["to"]) == ("manager", "operator")

    answer = hive.ok("send", "manager", "Is anybody there?", "--wait", "--timeout", "30")
    assert "Is anybody there?" in answer

    status = hive.json("status")
    assert set(status) >= {"version", "root", "agents", "tree"}
    assert [agent["name"] for agent in status["agents"]] == ["manager", "worker-1"]
    assert all(
        set(agent) >= AGENT_KEYS and agent["state"] == "running" for agent in status["agents"]
    )
    paths = check_tree(status["tree"])
    assert "hive/agents/manager/serve" in paths
    assert any(path.startswith("hive/agents/manager/harness/") for path in paths)

    with urllib.request.urlopen(f"{hive.url}/api/snapshot", timeout=10) as page:
        assert json.load(page)["seq"] >= 0
    assert hive.terminate() == 0
    assert list(processes_of(str(hive.root))) == []


def check_tree(node: dict[str, object]) -> list[str]:
    assert set(node) == NODE_KEYS
    children = node["children"]
    assert isinstance(children, list)
    return [str(node["path"]), *(path for child in children for path in check_tree(child))]


def test_the_same_root_is_refused_twice(hive: RunningHive) -> None:
    second = hive.run("up", "--web", "127.0.0.1:0")
    assert second.returncode == 1
    assert f"pid {hive.pid}" in second.stderr and "hive down" in second.stderr


def test_down_stops_everything_and_says_so(hive: RunningHive) -> None:
    assert "stopped" in hive.ok("down")
    assert hive.process is not None and hive.process.wait(10) == 0
    assert list(processes_of(str(hive.root))) == []
    assert "nothing runs" in hive.ok("down")


def test_a_stopped_agent_keeps_its_messages_and_shows_its_files(hive: RunningHive) -> None:
    hive.ok("stop", "manager")
    assert hive.agent("manager")["state"] == "stopped"
    (hive.root / "agents/manager/state/notes.md").write_text("what I know\n")
    assert "notes.md" in [one["name"] for one in hive.json("ls", "manager")["entries"]]
    assert hive.ok("cat", "manager:notes.md") == "what I know\n"
    hive.ok("send", "manager", "for later")
    assert hive.agent("manager")["queued"] == 1
    with hive.follow() as events:
        hive.ok("start", "manager")
        events.wait_for(lambda e: e["kind"] == "message_sent" and "for later" in e["body"])
        events.wait_for(lambda e: e["kind"] == "turn_ended" and e["outcome"] == "completed")


def test_a_new_agent_talks(hive: RunningHive) -> None:
    hive.ok("spawn", "scout")
    assert "hello scout" in hive.ok("send", "scout", "hello scout", "--wait", "--timeout", "60")
    again = hive.run("spawn", "scout")
    assert again.returncode == 1 and "already" in again.stderr


def test_a_message_from_standard_input_in_anothers_name(hive: RunningHive) -> None:
    hive.ok("spawn", "scout")
    number = hive.ok("send", "manager", "-", "--from", "scout", stdin="line 1\nline 2\n").strip()
    (message,) = [one for one in hive.json("inbox", "manager") if one["id"] == int(number)]
    assert message["from"] == "scout" and message["body"] == "line 1\nline 2\n"


def test_the_root_may_lie_deeper_than_a_socket_path_may_be_long(
    model,
    make_hive,
    tmp_path,  # type: ignore[no-untyped-def]
) -> None:
    root = tmp_path / ("deep-" * 12) / ("deeper-" * 12) / "hive"
    assert len(str(root)) > 150
    hive = make_hive(model.environment, root=root)
    hive.up()
    assert "deep?" in hive.ok("send", "manager", "deep?", "--wait", "--timeout", "60")
