"""The tools for reminders and schedules: what the model calls, and what the daemon is asked."""

import json
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.link import NotConnected
from harness.state import HarnessOptions, HarnessState
from harness.tools import ToolServer
from harness.tools.base import BadArguments, ToolFailed
from harness.tools.reminders import CancelReminderTool, ListRemindersTool, RemindTool
from harness.tools.schedules import ScheduleTool
from harness.tools.table import parse_call, schemas
from hive.link import RemoteError
from hive.paths import AgentFolders
from hive.wire.daemon import Done
from hive.wire.reminders import (
    CancelReminder,
    ListReminders,
    Remind,
    Reminded,
    Reminder,
    ReminderList,
)
from hive.wire.schedules import RequestSchedule, Schedule, Scheduled, ScheduleState


class FakeLink:
    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, []

    async def request(self, body: Any, *, timeout: float, total_timeout: float) -> Any:
        await trio.lowlevel.checkpoint()
        self.asked.append(body)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def perform(call: Any, answer: Any) -> tuple[Any, Any]:
    link = FakeLink(answer)
    got = await link.request(call.wire_request(), timeout=1, total_timeout=1)
    said = json.loads(call.answer_text(got))
    return link.asked[0], said


def test_right_calls() -> None:
    assert parse_call("remind", {"message": "x", "delay_seconds": 60}) == RemindTool("x", 60)
    at = "2027-01-31T09:00:00Z"
    full = {"message": "x", "at": at, "file": "plan.md"}
    assert parse_call("remind", full) == RemindTool("x", None, at, "plan.md")
    assert parse_call("list_reminders", {}) == ListRemindersTool()
    assert parse_call("cancel_reminder", {"id": 3}) == CancelReminderTool(3)
    assert parse_call("cancel_reminder", {"id": 3, "kind": "schedule"}).kind == "schedule"
    assert parse_call("schedule", {"message": "x", "every_seconds": 60}).every_seconds == 60


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("remind", {}, "message is missing"),
        ("remind", {"message": "x", "delay_seconds": 0}, "at least 1"),
        ("remind", {"message": "x", "delay": 5}, "unknown argument 'delay'"),
        ("cancel_reminder", {"id": "3"}, "must be an integer"),
        ("cancel_reminder", {"id": 3, "kind": "both"}, "it must be 'reminder' or 'schedule'"),
        ("schedule", {"message": "x", "every_seconds": 5}, "at least 60"),
        ("schedule", {"message": "x", "to": ["a"]}, "to is ['a'], it must be a string"),
    ],
)
def test_wrong_calls(name: str, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(BadArguments) as error:
        parse_call(name, arguments)
    assert said in str(error.value)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(
    st.sampled_from(["remind", "list_reminders", "cancel_reminder", "schedule"]),
    st.dictionaries(
        st.sampled_from(["message", "delay_seconds", "at", "id", "kind", "cron", "to", "x"]),
        st.none() | st.integers() | st.floats() | st.text() | st.lists(st.integers()),
    ),
)
def test_any_arguments_are_read_or_explained(name: str, arguments: dict[str, Any]) -> None:
    try:
        parse_call(name, arguments)
    except BadArguments as error:
        assert len(str(error)) < 2500


def test_the_choices_are_in_the_schema() -> None:
    (cancel,) = [one for one in schemas() if one["name"] == "cancel_reminder"]
    assert cancel["inputSchema"]["properties"]["kind"]["enum"] == ["reminder", "schedule"]


async def test_remind() -> None:
    call = parse_call("remind", {"message": "x", "delay_seconds": 60})
    asked, said = await perform(call, Reminded(7, 1_800_000_060.0))
    assert asked == Remind("x", 60.0, None, None, asked.key) and asked.key
    assert type(asked.delay_s) is float, "the wire takes nothing else"
    assert said == {"reminder": 7, "due": "2027-01-15T08:01:00Z"}


async def test_list() -> None:
    one = Reminder(7, "ann", "ä", 0.0, 1_800_000_060.0, 0.0, error="why")
    other = Schedule(2, "ann", ("bob",), "y", 0.0, cron="* * * * *", zone="UTC")
    asked, said = await perform(ListRemindersTool(), ReminderList((one,), (other,)))
    assert asked == ListReminders()
    assert said["reminders"] == [
        {"id": 7, "due": "2027-01-15T08:01:00Z", "state": "pending", "message": "ä", "error": "why"}
    ]
    assert said["schedules"][0]["when"] == "* * * * * UTC"


@pytest.mark.parametrize("kind", ["reminder", "schedule"])
async def test_cancel(kind: str) -> None:
    asked, said = await perform(CancelReminderTool(3, kind), Done())
    assert asked == CancelReminder(3, kind == "schedule") and said == {"done": True}


async def test_schedule() -> None:
    call = ScheduleTool("x", "30 9 * * *", None, "Europe/Berlin", "ann, bob,operator ")
    answer = Scheduled(4, ScheduleState.REQUESTED, (1_800_000_060.0,))
    asked, said = await perform(call, answer)
    wanted = RequestSchedule(
        "x", ("ann", "bob", "operator"), "30 9 * * *", None, "Europe/Berlin", asked.key
    )
    assert asked == wanted
    assert (said["state"], said["first_runs_if_approved"]) == (
        "requested",
        ["2027-01-15T08:01:00Z"],
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (RemoteError("too_many_reminders", "the next in 85 s"), "the next in 85 s"),
        (NotConnected("away"), "may or may not have been done"),
    ],
)
async def test_what_went_wrong_is_told_to_the_model(answer: Exception, said: str) -> None:

    state = HarnessState(HarnessOptions("ann", AgentFolders(Path("/agents/ann")), Path("/s")))
    tools = ToolServer(state, FakeLink(answer))  # type: ignore[arg-type]
    with pytest.raises(ToolFailed, match=said):
        await tools._perform(RemindTool("x", 60))
