"""The tools for questions and for what else is open. All answer in JSON, see `Tool.perform`."""

import json
import uuid
from typing import Any

from attrs import frozen

from harness.tools.base import DONE, DaemonTool, argument
from hive.wire.bodies import Body
from hive.wire.messages import Message, Sent
from hive.wire.names import OPERATOR
from hive.wire.questions import Answer, Ask, CancelLooseEnd, GetLooseEnds, LooseEnds, Question


@frozen
class AskTool(DaemonTool):
    """Puts a question to the operator or an agent; its answer comes later, as a message."""

    NAME = "ask"
    DESCRIPTION = (
        "Ask the operator, or another agent, something that must be answered or expire. "
        "Returns the question's number at once; the answer wakes you later as a message in "
        "reply to that number (or says that there was no answer), so end your turn. At most "
        "20 may be open."
    )
    # These lines are about `answer` as well.
    GUIDE = """\
`mcp__hive__ask` puts a question that must be answered to the operator or an agent and returns its
number at once; the answer (or that there was none) wakes you later, in reply to that number. Answer
a question that is put to you with `mcp__hive__answer`, not with send.
"""

    question: str = argument("with all that it takes to decide", least=1, most=4000)
    options: tuple[str, ...] = argument("2 to 20 answers to choose from", most=20, default=())
    multi: bool = argument("whether several options may be chosen", default=False)
    ttl_seconds: float | None = argument(
        "no answer after so long is the answer; default: it stays open",
        least=1,
        most=30 * 86400,
        default=None,
    )
    to: str = argument("operator (the default) or an agent", least=1, most=64, default=OPERATOR)

    def wire_request(self) -> Ask:
        key = uuid.uuid4().hex
        return Ask(self.question, self.options, self.multi, self.ttl_seconds, self.to, key=key)

    def answer_text(self, answer: Body) -> str:
        if not isinstance(answer, Sent):
            return DONE
        return json.dumps({"question": answer.id, "to": self.to}, ensure_ascii=False)


@frozen
class AnswerTool(DaemonTool):
    """Answers a question. The daemon checks that it is given by text or by options, not by both."""

    NAME = "answer"
    DESCRIPTION = "Answer a question that was put to you: by text, or by options if it has some."

    question: int = argument("its number", least=1)
    text: str | None = argument("the answer, or the text of an option", least=1, default=None)
    options: tuple[int, ...] = argument("numbers of the options, from 1", most=20, default=())

    def wire_request(self) -> Answer:
        return Answer(self.question, self.text, self.options)

    def answer_text(self, answer: Body) -> str:
        if not isinstance(answer, Sent):
            return DONE
        return json.dumps({"answered": self.question, "message": answer.id})


@frozen
class LooseEndsTool(DaemonTool):
    """Lists what the agent still owes and what it waits for."""

    NAME = "loose_ends"
    DESCRIPTION = (
        "What is open: `asked` are your questions that nobody has answered, `owed` are "
        "questions that you have not answered, `unanswered` are messages that you hold in this "
        "turn and have not replied to (send with in_reply_to), but for those that need no "
        "reply: the hive's, your own, broadcasts, and replies to a message of yours."
    )
    # These lines are about `cancel_loose_end` as well.
    GUIDE = """\
`mcp__hive__loose_ends` tells what you still owe and wait for: look before you end a turn that was
long, and after one that was cut off. `mcp__hive__cancel_loose_end` withdraws a question of yours.
"""

    def wire_request(self) -> GetLooseEnds:
        return GetLooseEnds()

    def answer_text(self, answer: Body) -> str:
        if not isinstance(answer, LooseEnds):
            return DONE
        listed = {
            "asked": [_question(one) for one in answer.asked],
            "owed": [_question(one) for one in answer.owed],
            "unanswered": [_unanswered(one) for one in answer.unanswered],
        }
        return json.dumps(listed, ensure_ascii=False)


@frozen
class CancelLooseEndTool(DaemonTool):
    """Withdraws a question, or says that a message needs no reply."""

    NAME = "cancel_loose_end"
    DESCRIPTION = (
        "Withdraw a question of yours (whom you asked is told), or say that a message that you "
        "hold needs no reply."
    )

    id: int = argument("a number from loose_ends", least=1)

    def wire_request(self) -> CancelLooseEnd:
        return CancelLooseEnd(self.id)

    def answer_text(self, answer: Body) -> str:
        return json.dumps({"cancelled": self.id})


def _question(one: Question) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": one.id, "from": one.asker, "to": one.to, "question": one.text}
    if one.options:
        shown["options"] = {str(n): option for n, option in enumerate(one.options, start=1)}
        shown["multi"] = one.multi
    return shown | ({} if one.expires_at is None else {"expires_at": one.expires_at})


def _unanswered(one: Message) -> dict[str, Any]:
    return {"id": one.id, "from": one.sender, "begins": one.body}
