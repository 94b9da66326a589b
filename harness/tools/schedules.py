"""The tool that asks for recurring messages; `harness.tools.reminders` lists and ends them."""

import json
import uuid

from attrs import frozen

from harness.tools.base import DONE, DaemonTool, argument, iso_time
from hive.wire.bodies import Body
from hive.wire.schedules import RequestSchedule, Scheduled


@frozen
class ScheduleTool(DaemonTool):
    """Asks the operator for a recurring message."""

    NAME = "schedule"
    DESCRIPTION = (
        "Ask the operator for a recurring message to you or others, by a cron expression or "
        "an interval. It runs once the operator has approved it; after a time in which the "
        "hive was down it comes once, not once for each missed time."
    )

    message: str = argument("the text, at most 4096 bytes", least=1)
    cron: str | None = argument(
        "minute hour day month weekday, such as 30 9 * * 1-5", least=1, most=100, default=None
    )
    every_seconds: float | None = argument("instead of cron", least=60, default=None)
    zone: str = argument(
        "IANA time zone of cron, such as Europe/Berlin; default UTC",
        least=1,
        most=64,
        default="UTC",
    )
    to: str = argument("names, separated by commas; default: you", least=1, most=1000, default="")

    def wire_request(self) -> RequestSchedule:
        names = tuple(name for name in self.to.replace(",", " ").split() if name)
        key = uuid.uuid4().hex
        return RequestSchedule(
            self.message, names, self.cron, self.every_seconds, self.zone, key=key
        )

    def answer_text(self, answer: Body) -> str:
        if not isinstance(answer, Scheduled):
            return DONE
        return json.dumps(
            {
                "schedule": answer.id,
                "state": answer.state.value,
                "first_runs_if_approved": [iso_time(at) for at in answer.next],
                "note": "the operator decides; you get a message then",
            }
        )
