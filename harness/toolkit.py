"""The hive's tools: names, meanings and arguments, as the model reads them."""

from collections.abc import Callable

from attrs import frozen

from harness.calls import (
    AnswerCall,
    AskCall,
    Call,
    CancelLooseEndCall,
    CancelReminderCall,
    ListRemindersCall,
    LooseEndsCall,
    NextTurnCall,
    RecvCall,
    RemindCall,
    ScheduleCall,
    SendCall,
    SetStatusCall,
    ThreadCall,
    WakeCall,
    WhoAmICall,
)
from hive.wire import LONGEST_TAKE_S, MOST_TAKEN


@frozen
class Argument:
    """One argument of a tool.

    `kind` is a JSON schema type, or `strings` or `integers` for a list of them.

    `least` and `most` bound a number, or the length of a string or a list.
    """

    name: str
    kind: str
    text: str
    required: bool = False
    least: int | None = None
    most: int | None = None
    choices: tuple[str, ...] = ()


@frozen
class Tool:
    """`call` makes the call of the arguments, whose names are those of its fields."""

    name: str
    text: str
    call: Callable[..., Call]
    arguments: tuple[Argument, ...] = ()


TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "send",
            "Send a message to an agent of this hive, to the operator, or to all agents at once. "
            "Returns its number once it is stored for good.",
            SendCall,
            (
                Argument(
                    "to",
                    "string",
                    "an agent's name, or operator, or * for all agents but you (a turn of each; "
                    "limited)",
                    True,
                    1,
                    64,
                ),
                Argument("body", "string", "the text", True, 1),
                Argument("in_reply_to", "integer", "number of the message you answer", least=1),
                Argument(
                    "urgent",
                    "boolean",
                    "may use the operator's reserve when a budget is used up",
                ),
            ),
        ),
        Tool(
            "recv",
            "Take more messages that wait for you into this turn. Without arguments it looks once "
            "and does not wait.",
            RecvCall,
            (
                Argument(
                    "wait_seconds",
                    "number",
                    "wait so long for a message if there is none",
                    least=0,
                    most=LONGEST_TAKE_S,
                ),
                Argument("max", "integer", "at most so many", least=1, most=MOST_TAKEN),
            ),
        ),
        Tool(
            "thread",
            "Read again what belongs together: a message that you have sent or received, what it "
            "answers and what answers it, each with its state (queued, leased: in a turn of its "
            "reader, done, dead: given up, held: waits for the operator).",
            ThreadCall,
            (Argument("id", "integer", "the number of any of its messages", True, 1),),
        ),
        Tool(
            "whoami",
            "Your name, the other agents, and the messages that you hold in this turn.",
            WhoAmICall,
        ),
        Tool(
            "remind",
            "Set a reminder for yourself: it comes back as a message from you when it is due, "
            "whatever happens until then. Give either delay_seconds or at. Returns its number.",
            RemindCall,
            (
                Argument("message", "string", "what you want to be reminded of", True, 1),
                Argument("delay_seconds", "number", "due in so many seconds", least=1),
                Argument(
                    "at",
                    "string",
                    "due at this time, ISO 8601 with a zone, such as 2027-01-31T09:00:00Z",
                    least=1,
                    most=64,
                ),
                Argument(
                    "file",
                    "string",
                    "deliver the message in this file below state/reminders; one over 4 KiB is "
                    "in a file in any case",
                    least=1,
                    most=100,
                ),
            ),
        ),
        Tool(
            "list_reminders",
            "Your reminders that wait, and your schedules.",
            ListRemindersCall,
        ),
        Tool(
            "cancel_reminder",
            "Give up a reminder of yours, or a schedule.",
            CancelReminderCall,
            (
                Argument("id", "integer", "its number", True, 1),
                Argument(
                    "kind",
                    "string",
                    "what it is; default: a reminder",
                    choices=("reminder", "schedule"),
                ),
            ),
        ),
        Tool(
            "schedule",
            "Ask the operator for a recurring message to you or others, by a cron expression or "
            "an interval. It runs once the operator has approved it; after a time in which the "
            "hive was down it comes once, not once for each missed time.",
            ScheduleCall,
            (
                Argument("message", "string", "the text, at most 4096 bytes", True, 1),
                Argument(
                    "cron",
                    "string",
                    "minute hour day month weekday, such as 30 9 * * 1-5",
                    least=1,
                    most=100,
                ),
                Argument("every_seconds", "number", "instead of cron", least=60),
                Argument(
                    "zone",
                    "string",
                    "IANA time zone of cron, such as Europe/Berlin; default UTC",
                    least=1,
                    most=64,
                ),
                Argument(
                    "to", "string", "names, separated by commas; default: you", least=1, most=1000
                ),
            ),
        ),
        Tool(
            "ask",
            "Ask the operator, or another agent, something that must be answered or expire. "
            "Returns the question's number at once; the answer wakes you later as a message in "
            "reply to that number (or says that there was no answer), so end your turn. At most "
            "20 may be open.",
            AskCall,
            (
                Argument("question", "string", "with all that it takes to decide", True, 1, 4000),
                Argument("options", "strings", "2 to 20 answers to choose from", most=20),
                Argument("multi", "boolean", "whether several options may be chosen"),
                Argument(
                    "ttl_seconds",
                    "number",
                    "no answer after so long is the answer; default: it stays open",
                    least=1,
                    most=30 * 86400,
                ),
                Argument("to", "string", "operator (the default) or an agent", False, 1, 64),
            ),
        ),
        Tool(
            "answer",
            "Answer a question that was put to you: by text, or by options if it has some.",
            AnswerCall,
            (
                Argument("question", "integer", "its number", True, 1),
                Argument("text", "string", "the answer, or the text of an option", least=1),
                Argument("options", "integers", "numbers of the options, from 1", most=20),
            ),
        ),
        Tool(
            "loose_ends",
            "What is open: `asked` are your questions that nobody has answered, `owed` are "
            "questions that you have not answered, `unanswered` are messages that you hold in this "
            "turn and have not replied to (send with in_reply_to), but for those that need no "
            "reply: the hive's, your own, broadcasts, and replies to a message of yours.",
            LooseEndsCall,
        ),
        Tool(
            "cancel_loose_end",
            "Withdraw a question of yours (whom you asked is told), or say that a message that you "
            "hold needs no reply.",
            CancelLooseEndCall,
            (Argument("id", "integer", "a number from loose_ends", True, 1),),
        ),
        Tool(
            "set_status",
            "Set the line that the operator sees behind your name: what you work on. It stays "
            "until you set another one; an empty text clears it.",
            SetStatusCall,
            (Argument("text", "string", "one line", True, 0, 120),),
        ),
        Tool(
            "request_next_turn",
            "Be woken once more right after this turn, to go on with work that is too long for one "
            "turn. At most one is pending, and 12 an hour.",
            NextTurnCall,
            (Argument("reason", "string", "what is left; it is shown to you", True, 1, 1000),),
        ),
        Tool(
            "wake",
            "Send a message to yourself, which wakes you after this turn unless recv takes it. "
            "Programs in your container can do so at any time by the command "
            "`hive-harness wake --from LABEL TEXT` (TEXT - reads standard input). At most 60 an "
            "hour.",
            WakeCall,
            (
                Argument("text", "string", "the message", True, 1),
                Argument("label", "string", "who it comes from", least=1, most=60),
            ),
        ),
    )
}
