"""The real CLI uses every tool of the hive once; the operator answers by the command line."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from attrs import define, field
from support.model_api import ModelApi
from support.plain_git import Git
from support.running import RunningHive

EVERY_TOOL = {
    *("send", "recv", "thread", "ask", "answer", "loose_ends", "cancel_loose_end"),
    *("remind", "schedule", "list_reminders", "cancel_reminder"),
    *("request_next_turn", "set_status", "whoami", "wake", "request_apply_commit"),
}

QUIET = {"type": "answer", "blocks": [{"type": "say", "text": "done"}]}


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    name = tool if tool == "Bash" else f"mcp__hive__{tool}"
    return {"type": "call", "tool": name, "arguments": arguments}


@define
class Office:
    """A hive whose agents do, in a turn each, what the test says."""

    hive: RunningHive
    model: ModelApi
    tasks: int = 0
    used: set[str] = field(factory=set)

    def wait(self, wanted: Callable[[], Any], timeout: float = 60) -> Any:
        """What `wanted` gives as soon as it is true; looked at after each event of the hive."""
        deadline = time.monotonic() + timeout
        with self.hive.follow() as events:
            while not (found := wanted()):
                assert time.monotonic() < deadline, self.hive.json("status")["agents"]
                events.next(1.0)
        return found

    def arrived(self, agent: str, text: str) -> dict[str, Any]:
        """Wait for a message with `text` that `agent` has worked on; raises if it is another's."""

        def done() -> Any:
            return [
                one
                for one in self.hive.json("inbox", agent)
                if text in one["body"] and one["state"] == "done"
            ]

        (message,) = self.wait(done)
        assert isinstance(message, dict)
        return message

    def turn(self, agent: str, *steps: list[dict[str, Any]]) -> dict[str, Any]:
        """Have `agent` make the calls of each step; the answers by tool, the text of errors."""
        self.tasks += 1
        task = f"task-{self.tasks}."
        for blocks in steps:
            reply = {"type": "answer", "blocks": blocks}
            self.model.rule(reply, agent=agent, text=task, count=1)
        self.model.rule(QUIET, text=task)
        number = int(self.hive.ok("send", agent, task))
        self.wait(lambda: self._state(agent, number) == "done")
        return self._answers(agent, number)

    def _state(self, agent: str, number: int) -> str:
        return next(o["state"] for o in self.hive.json("inbox", agent) if o["id"] == number)

    def _answers(self, agent: str, number: int) -> dict[str, Any]:
        events = self.hive.events(agent)
        (turn,) = {
            e["turn"] for e in events if e["kind"] == "turn_started" and number in e["messages"]
        }
        of_turn = [e for e in events if e.get("turn") == turn]
        tools = {
            e["id"]: e["tool"].removeprefix("mcp__hive__")
            for e in of_turn
            if e["kind"] == "tool_call"
        }
        answers: dict[str, Any] = {}
        for event in of_turn:
            if event["kind"] == "tool_result":
                tool, text = tools[event["id"]], event["text"]
                if not event["is_error"]:
                    self.used.add(tool)
                assert tool not in answers, "one call of a tool in a turn"
                answers[tool] = _read(text)
        assert set(answers) == set(tools.values())
        return answers


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


@pytest.fixture
def office(hive: RunningHive, model: ModelApi) -> Office:
    hive.ok("spawn", "worker-1")
    hive.ok("spawn", "worker-2")
    for name in ("manager", "worker-1", "worker-2"):
        hive.wait_agent(name, lambda agent: agent["connected"])
    for text in (" from manager", " from worker-", " from hive", "(in reply to", "(to all agents"):
        model.rule(QUIET, text=text)  # all but the operator's tasks
    return Office(hive, model)


def test_every_tool_once(office: Office) -> None:
    hive = office.hive
    first = office.turn(
        "manager",
        [call("whoami"), call("set_status", text="tries all tools"), call("wake", text="note")],
        [call("recv", wait_seconds=20)],
        [
            call("send", to="worker-1", body="hello worker"),
            call("ask", question="Shall I?", options=["yes", "no"], ttl_seconds=3600),
            call("remind", message="first reminder", delay_seconds=1),
            call("schedule", message="count the bees", cron="0 9 * * *", zone="Europe/Berlin"),
        ],
        [call("loose_ends")],
        [call("request_next_turn", reason="half is left")],
    )
    assert first["whoami"]["name"] == "manager"
    assert set(first["whoami"]["others"]) == {"worker-1", "worker-2"}
    assert hive.agent("manager")["says"] == "tries all tools"
    assert f"message {first['wake']['message']} from manager" in first["recv"]
    sent, question = first["send"]["sent"], first["ask"]["question"]
    assert [one["id"] for one in first["loose_ends"]["asked"]] == [question]
    assert office.arrived("manager", "half is left")["from"] == "manager"
    assert office.arrived("manager", "first reminder")["from"] == "manager"

    # The operator answers and approves.
    (asked,) = hive.json("questions")
    assert (asked["id"], asked["asker"], asked["options"]) == (question, "manager", ["yes", "no"])
    wrong = hive.run("answer", str(question), "--option", "3")
    assert wrong.returncode == 1 and "2" in wrong.stderr
    hive.ok("answer", str(question), "--option", "1")
    answered = office.arrived("manager", "yes")
    assert (answered["from"], answered["in_reply_to"]) == ("operator", question)
    (schedule,) = hive.json("schedules")
    assert (schedule["id"], schedule["state"]) == (first["schedule"]["schedule"], "requested")
    hive.ok("schedules", "approve", str(schedule["id"]))
    assert hive.json("schedules")[0]["next_at"] > time.time()
    hive.ok("schedules", "fire", str(schedule["id"]))
    assert "count the bees" in office.arrived("manager", "run of")["body"]

    configured = Git(hive.root / "agents/worker-2/config")("rev-parse", "HEAD")
    second = office.turn(
        "manager",
        [call("remind", message="never", delay_seconds=3600), call("thread", id=sent)],
        [
            call("ask", question="Which color?", to="worker-1"),
            call("request_apply_commit", agent="worker-2", commit=configured),
        ],
        [call("Bash", command="date | hive-harness wake --from a-script -")],
    )
    (once,) = second["thread"]["thread"]
    assert (once["id"], once["to"], once["body"]) == (sent, "worker-1", "hello worker")
    woken = office.arrived("manager", 'Woken from within your container by "a-script"')
    assert woken["id"] == second["Bash"], "the command prints the message's number"

    hive.ok("deny", str(second["request_apply_commit"]["approval"]), "--note", "as it is")
    assert office.arrived("manager", "was denied by the operator: as it is")["from"] == "hive"

    third = office.turn(
        "worker-1",
        [call("loose_ends")],
        [call("answer", question=second["ask"]["question"], text="Blue.")],
    )
    assert [one["question"] for one in third["loose_ends"]["owed"]] == ["Which color?"]
    blue = office.arrived("manager", "Blue.")
    assert (blue["from"], blue["in_reply_to"]) == ("worker-1", second["ask"]["question"])

    reminder = second["remind"]["reminder"]
    fourth = office.turn(
        "manager",
        [call("list_reminders")],
        [call("cancel_reminder", id=reminder), call("ask", question="Forget it?")],
    )
    assert [one["id"] for one in fourth["list_reminders"]["reminders"]] == [reminder]
    assert [one["id"] for one in fourth["list_reminders"]["schedules"]] == [schedule["id"]]
    office.turn("manager", [call("cancel_loose_end", id=fourth["ask"]["question"])])
    assert hive.json("questions") == [] and hive.json("reminders", "manager")["reminders"] == []

    assert office.used >= EVERY_TOOL, EVERY_TOOL - office.used
    for name in ("manager", "worker-1", "worker-2"):
        agent = hive.wait_agent(name, lambda one: one["queued"] == one["leased"] == 0)
        assert agent["restarts"] == 0 and agent["held"] == 0
    assert hive.json("dead") == []
    actions = [entry["action"] for entry in hive.json("audit")]
    assert "answer" in actions and any("approve" in action for action in actions)


def test_a_configuration_is_proposed_and_approved(office: Office) -> None:
    hive = office.hive
    hive.ok("restart", "manager")  # it sees the configurations that exist when its container starts
    hive.wait_agent("manager", lambda agent: agent["connected"])

    def commit(edit: str) -> str:
        folder = "cd /agents/worker-1/config"
        git = "git -c user.name=manager -c user.email=manager@hive"
        command = f"{folder} && {edit} && {git} commit -qam change && git rev-parse HEAD"
        return str(office.turn("manager", [call("Bash", command=command)])["Bash"]).split()[0]

    def propose(hash_: str, **more: str) -> Any:
        asked = call("request_apply_commit", agent="worker-1", commit=hash_, **more)
        return office.turn("manager", [asked])["request_apply_commit"]

    good = commit("sed -i 's/^purpose = .*/purpose = \"Paints\"/' agent.toml")
    proposed = propose(good[:10], description="says what it is for")
    assert (proposed["commit"], proposed["state"]) == (good, "open")
    assert proposed["changes"] == {"purpose": "hot"}
    (waiting,) = hive.json("approvals")
    assert (waiting["by"], waiting["commit"], waiting["base"]) == ("manager", good, None)
    assert "1 approval waits for you: see `hive approvals`" in hive.json("status")["notices"]
    number = str(waiting["id"])
    shown = hive.ok("approvals", number)
    assert '+purpose = "Paints"' in shown and "says what it is for" in shown

    bad = commit("sed -i '1i colour = 1' agent.toml")
    assert "agent.toml: colour: is no known key" in propose(bad)
    assert hive.json("approvals", "--all") == [waiting], "nothing is stored of a refused one"
    seen = "cat /agents/worker-1/config/agent.toml; touch /agents/worker-1/config/x; exit 0"
    own = office.turn("worker-1", [call("Bash", command=seen)])["Bash"]
    assert "colour = 1" in own and "Read-only file system" in own

    said = hive.ok("approve", number, "--note", "good")
    assert "does not deploy commits yet" in said
    office.arrived("manager", "was approved by the operator: good")
    (approved,) = hive.json("approvals")
    assert (approved["state"], approved["note"]) == ("approved", "good")
    assert hive.run("approve", number).returncode == 1
    applied = Git(hive.root / "applied/worker-1")
    assert applied("tag").splitlines() == [f"approved/{number}", f"proposal/{number}"]


def test_a_broadcast_reaches_all_but_its_sender(office: Office) -> None:
    hive = office.hive
    hive.ok("stop", "worker-2")
    number = office.turn("manager", [call("send", to="*", body="all hands")])["send"]["sent"]
    office.arrived("worker-1", "all hands")
    (waits,) = [one for one in hive.json("inbox", "worker-2") if one["body"] == "all hands"]
    assert waits["state"] == "queued"
    hive.ok("start", "worker-2")
    later = office.arrived("worker-2", "all hands")
    same = {one["broadcast_id"] for one in (waits, later)}
    assert len(same) == 1 and same != {None}
    assert [one["id"] for one in hive.json("thread", str(number))] == [number]
    assert not [one for one in hive.json("inbox", "manager") if one["body"] == "all hands"]
    prompts = [one["text"] for one in office.model.requests("worker-2")]
    assert any("(to all agents: it may need nothing of you)" in text for text in prompts)
    hive.ok("send", "*", "from the operator")
    for name in ("manager", "worker-1", "worker-2"):
        office.arrived(name, "from the operator")


def test_who_may_not_send_is_told_whom_to_ask(office: Office) -> None:
    hive = office.hive
    hive.ok("rights", "worker-1", "--may-send", "")
    refused = office.turn("worker-1", [call("send", to="worker-2", body="psst")], [call("whoami")])
    assert "you may not write to worker-2" in refused["send"] and "manager" in refused["send"]
    assert refused["whoami"]["others"] == ["manager"]
    assert hive.json("inbox", "worker-2") == []
    assert office.turn("worker-1", [call("send", to="manager", body="hello")])["send"]["sent"]
    hive.ok("rights", "worker-1", "--all")
    assert office.turn("worker-1", [call("send", to="worker-2", body="psst")])["send"]["sent"]
    done = [(entry["action"], entry["target"]) for entry in hive.json("audit")]
    assert done.count(("rights", "worker-1")) == 2
