"""Tools that ask the hive's desk: questions, loose ends, the status line, wake-ups. Pure."""

import json
import uuid
from typing import Any

from harness.tools.calls import (
    AnswerCall,
    AskCall,
    CancelLooseEndCall,
    DeskCall,
    LooseEndsCall,
    NextTurnCall,
    SetStatusCall,
    WakeCall,
)
from hive.wire import (
    Answer,
    Ask,
    Body,
    CancelLooseEnd,
    GetLooseEnds,
    LooseEnds,
    Message,
    Question,
    RequestNextTurn,
    Sent,
    SetStatus,
    Wake,
)


def asked(call: DeskCall) -> Body:
    """The request for a call; its key makes a repetition after a broken connection the same."""
    match call:
        case AskCall(question, options, multi, ttl, to):
            ttl_s = None if ttl is None else float(ttl)
            return Ask(question, options, multi, ttl_s, to, key=uuid.uuid4().hex)
        case AnswerCall(question, text, options):
            return Answer(question, text, options)
        case LooseEndsCall():
            return GetLooseEnds()
        case CancelLooseEndCall(id_):
            return CancelLooseEnd(id_)
        case SetStatusCall(text):
            return SetStatus(text)
        case NextTurnCall(reason):
            return RequestNextTurn(reason)
        case WakeCall(text, label):
            return Wake(label, text, key=uuid.uuid4().hex)


def told(call: DeskCall, answer: Body) -> str:
    """The answer for the model: JSON, so that no text in it can forge a line of the hive's."""
    return json.dumps(_told(call, answer), ensure_ascii=False)


def _told(call: DeskCall, answer: Body) -> dict[str, Any]:
    match call, answer:
        case AskCall(to=to), Sent(id_):
            return {"question": id_, "to": to}
        case AnswerCall(question), Sent(id_):
            return {"answered": question, "message": id_}
        case WakeCall(), Sent(id_):
            return {"message": id_}
        case _, LooseEnds(mine, owed, unanswered):
            return {
                "asked": [_question(one) for one in mine],
                "owed": [_question(one) for one in owed],
                "unanswered": [_message(one) for one in unanswered],
            }
        case CancelLooseEndCall(id_), _:
            return {"cancelled": id_}
    return {"done": True}


def _question(one: Question) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": one.id, "from": one.asker, "to": one.to, "question": one.text}
    if one.options:
        shown["options"] = {str(n): option for n, option in enumerate(one.options, start=1)}
        shown["multi"] = one.multi
    return shown | ({} if one.expires_at is None else {"expires_at": one.expires_at})


def _message(one: Message) -> dict[str, Any]:
    return {"id": one.id, "from": one.sender, "begins": one.body}
