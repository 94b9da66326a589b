"""The tools for reminders and schedules: what is asked of the daemon, and told the model. Pure."""

import json
import uuid
from datetime import UTC, datetime

from harness.tools.calls import (
    CancelReminderCall,
    ListRemindersCall,
    RemindCall,
    ReminderCall,
    ScheduleCall,
)
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


def asked(call: ReminderCall) -> Remind | ListReminders | CancelReminder | RequestSchedule:
    """The request for a call; its key makes a repetition after a broken connection the same."""
    match call:
        case RemindCall(message, delay, at, file):
            seconds = None if delay is None else float(delay)
            return Remind(message, seconds, at, file, uuid.uuid4().hex)
        case ListRemindersCall():
            return ListReminders()
        case CancelReminderCall(id_, kind):
            return CancelReminder(id_, kind == "schedule")
        case ScheduleCall(message, cron, every, zone, to):
            names = tuple(name for name in to.replace(",", " ").split() if name)
            seconds = None if every is None else float(every)
            return RequestSchedule(message, names, cron, seconds, zone, uuid.uuid4().hex)


def told(answer: Body) -> str:
    """The answer for the model, as JSON."""
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
