"""The tools for reminders and schedules: what the model calls, asks of the daemon, and is told."""

import json
import uuid
from datetime import UTC, datetime

from attrs import frozen

from harness.link import Link
from hive.wire import (
    Body,
    CancelReminder,
    ListReminders,
    Remind,
    Reminded,
    ReminderList,
    RequestSchedule,
    Scheduled,
)

ANSWER_S = 30.0


@frozen
class RemindCall:
    message: str
    delay_seconds: float | None = None
    at: str | None = None
    file: str | None = None


@frozen
class ListRemindersCall:
    pass


@frozen
class CancelReminderCall:
    id: int
    kind: str = "reminder"


@frozen
class ScheduleCall:
    message: str
    cron: str | None = None
    every_seconds: float | None = None
    zone: str = "UTC"
    to: str = ""


ReminderCall = RemindCall | ListRemindersCall | CancelReminderCall | ScheduleCall


async def perform(link: Link, call: ReminderCall) -> str:
    """Ask the daemon; the text for the model. Raises what Link.request raises."""
    # The key makes a repetition after a broken connection the same reminder.
    request = _request(call, uuid.uuid4().hex)
    return _told(await link.request(request, timeout=ANSWER_S, within=ANSWER_S))


def _request(
    call: ReminderCall, key: str
) -> Remind | ListReminders | CancelReminder | RequestSchedule:
    match call:
        case RemindCall(message, delay, at, file):
            return Remind(message, None if delay is None else float(delay), at, file, key)
        case ListRemindersCall():
            return ListReminders()
        case CancelReminderCall(id_, kind):
            return CancelReminder(id_, kind == "schedule")
        case ScheduleCall(message, cron, every, zone, to):
            names = tuple(name for name in to.replace(",", " ").split() if name)
            seconds = None if every is None else float(every)
            return RequestSchedule(message, names, cron, seconds, zone, key)


def _told(answer: Body) -> str:
    match answer:
        case Reminded(id_, due_at):
            return json.dumps({"reminder": id_, "due": _iso(due_at)})
        case Scheduled(id_, state, following):
            return json.dumps(
                {
                    "schedule": id_,
                    "state": state.value,
                    "first_runs_if_approved": [_iso(at) for at in following],
                    "note": "the operator decides; you get a message then",
                }
            )
        case ReminderList(reminders, schedules):
            listed = [
                {"id": r.id, "due": _iso(r.due_at), "state": r.state.value, "message": r.text}
                | ({"error": r.error} if r.error else {})
                for r in reminders
            ]
            recurring = [
                {
                    "id": s.id,
                    "state": s.state.value,
                    "when": f"{s.cron} {s.zone}" if s.cron else f"every {s.every_s:g} s",
                    "next": None if s.next_at is None else _iso(s.next_at),
                    "to": list(s.to),
                    "message": s.text,
                }
                for s in schedules
            ]
            return json.dumps({"reminders": listed, "schedules": recurring}, ensure_ascii=False)
        case _:
            return json.dumps({"done": True})


def _iso(epoch: float) -> str:
    return f"{datetime.fromtimestamp(epoch, UTC):%Y-%m-%dT%H:%M:%SZ}"
