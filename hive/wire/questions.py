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
    """A question of one agent to another or to the operator; times in epoch seconds.

    Its id is that of the message that carries it. Without `options` any text answers it, else one
    of them, with `multi` one or more; `answer` is then their texts, a line each. `expires_at` None:
    it stays open until it is answered or cancelled. `end_message` is the one that told of its end.
    """

    id: int
    asker: str
    to: str
    text: str
    asked_at: float
    options: tuple[str, ...] = ()
    multi: bool = False
    expires_at: float | None = None
    state: QuestionState = QuestionState.OPEN
    answer: str | None = None
    answered_by: str | None = None
    ended_at: float | None = None
    end_message: int | None = None


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
    """What the agent owes and waits for; answered with `LooseEnds`."""


@frozen
class LooseEnds:
    """Open questions that the agent asked or must answer, and messages held in this turn.

    All texts are cut to 300 characters; of each kind the oldest 20.
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
    """The newest `limit` open questions of all agents, `ended` those that have ended as well."""

    ended: bool = False
    limit: int = 100


@frozen
class Questions:
    """Oldest first."""

    questions: tuple[Question, ...]


FromAgent = Ask | Answer | GetLooseEnds | CancelLooseEnd
OperatorReads = GetQuestions
OperatorActs = Answer
FromDaemon = LooseEnds | Questions
