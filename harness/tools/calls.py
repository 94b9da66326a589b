"""What the model can call: one class for each tool, with what it gave."""

from attrs import frozen


@frozen
class SendCall:
    to: str
    body: str
    in_reply_to: int | None = None
    urgent: bool = False


@frozen
class RecvCall:
    wait_seconds: float = 0
    max: int = 10


@frozen
class ThreadCall:
    id: int


@frozen
class WhoAmICall:
    pass


@frozen
class AskCall:
    question: str
    options: tuple[str, ...] = ()
    multi: bool = False
    ttl_seconds: float | None = None
    to: str = "operator"


@frozen
class AnswerCall:
    question: int
    text: str | None = None
    options: tuple[int, ...] = ()


@frozen
class LooseEndsCall:
    pass


@frozen
class CancelLooseEndCall:
    id: int


@frozen
class SetStatusCall:
    text: str


@frozen
class NextTurnCall:
    reason: str


@frozen
class WakeCall:
    text: str
    label: str = "tool"


DeskCall = (
    AskCall
    | AnswerCall
    | LooseEndsCall
    | CancelLooseEndCall
    | SetStatusCall
    | NextTurnCall
    | WakeCall
)


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

Call = SendCall | RecvCall | ThreadCall | WhoAmICall | DeskCall | ReminderCall
