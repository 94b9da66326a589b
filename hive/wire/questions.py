"""Questions, and what an agent owes and waits for."""

from enum import StrEnum

from attrs import frozen

from hive.wire.messages import Message
from hive.wire.names import OPERATOR


class QuestionState(StrEnum):
    """Where a question is in its life; all but `open` are its end."""

    OPEN = "open"
    ANSWERED = "answered"
    EXPIRED = "expired"
    """Nobody answered in time."""
    CANCELLED = "cancelled"
    """The asker withdrew it."""


@frozen
class Question:
    """A question of one agent to another or to the operator; times in epoch seconds."""

    id: int
    """That of the message that carries it."""
    asker: str
    to: str
    text: str
    asked_at: float
    options: tuple[str, ...] = ()
    """Without any, each text answers it; else one of them, or more with `multi`."""
    multi: bool = False
    expires_at: float | None = None
    """None: it stays open until it is answered or cancelled."""
    state: QuestionState = QuestionState.OPEN
    answer: str | None = None
    """A text, or the texts of the options that were chosen, a line each."""
    answered_by: str | None = None
    ended_at: float | None = None
    end_message: int | None = None
    """The id of the message that told of its end."""


@frozen
class Ask:
    """Ask an agent or the operator; answered with `Sent` (the question's id) after the commit.

    `ttl_s`: no answer after so many seconds of wall time is told as such. The same `key` again
    asks nothing and gives the first id.
    """

    text: str
    options: tuple[str, ...] = ()
    multi: bool = False
    ttl_s: float | None = None
    to: str = OPERATOR
    key: str | None = None


@frozen
class Answer:
    """Answer a question by text or by the numbers (from 1) of its options; answered with `Sent`.

    On an agent's socket a question to that agent; the operator may answer every question. The same
    answer again changes nothing.
    """

    question: int
    text: str | None = None
    options: tuple[int, ...] = ()


@frozen
class GetLooseEnds:
    """Ask what the agent owes and waits for; answered with `LooseEnds`."""


@frozen
class LooseEnds:
    """What is open: the oldest 20 of each kind, with texts cut to 300 characters.

    `asked` and `owed` are open questions that the agent asked or must answer, `unanswered` messages
    that it holds in this turn and has not replied to.
    """

    asked: tuple[Question, ...]
    owed: tuple[Question, ...]
    unanswered: tuple[Message, ...]


@frozen
class CancelLooseEnd:
    """Withdraw the agent's own question, or say that a message it holds needs no reply."""

    id: int


@frozen
class GetQuestions:
    """The newest `limit` open questions of all agents, with `ended` also those that have ended.

    Answered with `Questions`.
    """

    ended: bool = False
    limit: int = 100


@frozen
class Questions:
    """Questions, oldest first."""

    questions: tuple[Question, ...]


FromAgent = Ask | Answer | GetLooseEnds | CancelLooseEnd
OperatorReads = GetQuestions
OperatorActs = Answer
FromDaemon = LooseEnds | Questions
