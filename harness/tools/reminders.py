"""The tools by which an agent reminds itself, and sees and ends what waits, schedules included."""

import json
import uuid
from typing import Any, Literal

from attrs import frozen

from harness.tools.base import DONE, DaemonTool, argument, iso_time
from hive.wire.bodies import Body
from hive.wire.reminders import (
    CancelReminder,
    ListReminders,
    Remind,
    Reminded,
    Reminder,
    ReminderList,
)
from hive.wire.schedules import Schedule


@frozen
class RemindTool(DaemonTool):
    """Sets a reminder. That exactly one of `delay_seconds` and `at` is given checks the daemon."""

    NAME = "remind"
    DESCRIPTION = (
        "Set a reminder for yourself: it comes back as a message from you when it is due, "
        "whatever happens until then. Give either delay_seconds or at. Returns its number."
    )
    # These lines are about the other tools of reminders and schedules as well.
    GUIDE = """\
`mcp__hive__remind` sets a reminder for yourself: when it is due it wakes you as a message from
yourself. End your turn and be reminded, do not sleep or poll in a turn. `list_reminders` and
`cancel_reminder` show and end what waits; `schedule` asks the operator for one that recurs.
"""

    message: str = argument("what you want to be reminded of", least=1)
    delay_seconds: float | None = argument("due in so many seconds", least=1, default=None)
    at: str | None = argument(
        "due at this time, ISO 8601 with a zone, such as 2027-01-31T09:00:00Z",
        least=1,
        most=64,
        default=None,
    )
    file: str | None = argument(
        "deliver the message in this file below state/reminders; one over 4 KiB is in a file in "
        "any case",
        least=1,
        most=100,
        default=None,
    )

    def wire_request(self) -> Remind:
        return Remind(self.message, self.delay_seconds, self.at, self.file, uuid.uuid4().hex)

    def answer_text(self, answer: Body) -> str:
        if not isinstance(answer, Reminded):
            return DONE
        return json.dumps({"reminder": answer.id, "due": iso_time(answer.due_at)})


@frozen
class ListRemindersTool(DaemonTool):
    """Lists the reminders and schedules that are not at an end."""

    NAME = "list_reminders"
    DESCRIPTION = "Your reminders that wait, and your schedules."

    def wire_request(self) -> ListReminders:
        return ListReminders()

    def answer_text(self, answer: Body) -> str:
        if not isinstance(answer, ReminderList):
            return DONE
        listed = {
            "reminders": [_reminder(one) for one in answer.reminders],
            "schedules": [_schedule(one) for one in answer.schedules],
        }
        return json.dumps(listed, ensure_ascii=False)


@frozen
class CancelReminderTool(DaemonTool):
    """Gives up a reminder or a schedule."""

    NAME = "cancel_reminder"
    DESCRIPTION = "Give up a reminder of yours, or a schedule."

    id: int = argument("its number", least=1)
    kind: Literal["reminder", "schedule"] = argument(
        "what it is; default: a reminder", default="reminder"
    )

    def wire_request(self) -> CancelReminder:
        return CancelReminder(self.id, self.kind == "schedule")


def _reminder(one: Reminder) -> dict[str, Any]:
    head = {
        "id": one.id,
        "due": iso_time(one.due_at),
        "state": one.state.value,
        "message": one.text,
    }
    return head | ({"error": one.error} if one.error else {})


def _schedule(one: Schedule) -> dict[str, Any]:
    return {
        "id": one.id,
        "state": one.state.value,
        "when": f"{one.cron} {one.zone}" if one.cron else f"every {one.every_s:g} s",
        "next": None if one.next_at is None else iso_time(one.next_at),
        "to": list(one.to),
        "message": one.text,
    }
