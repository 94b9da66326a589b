"""What may be asked and answered: pure functions of values."""

from collections.abc import Sequence

from attrs import evolve

from hive.broker import BrokerError
from hive.text import flattened
from hive.wire.names import OPERATOR
from hive.wire.questions import Answer, Ask, Question, QuestionState

MOST_OPEN = 20
"""Open questions of one asker."""

MOST_TEXT = 4_000
MOST_OPTIONS = 20
MOST_OPTION = 200
SHORTEST_TTL_S = 1.0
LONGEST_TTL_S = 30 * 86400.0

_ENDS = {
    QuestionState.ANSWERED: "has been answered by {by}",
    QuestionState.EXPIRED: "has expired",
    QuestionState.CANCELLED: "was withdrawn by {asker}",
}


class BadQuestion(BrokerError):
    """The question cannot be asked so."""

    code = "bad_question"


class BadAnswer(BrokerError):
    """The answer is none of those that are allowed."""

    code = "bad_answer"


class NoSuchQuestion(BrokerError):
    """Nothing of that number is there for this agent."""

    code = "no_such_question"


class QuestionOver(BrokerError):
    """The question has ended already."""

    code = "question_over"


class TooManyQuestions(BrokerError):
    """Too many questions of the asker are open; the text names them."""

    code = "too_many"


def new_question(asker: str, ask: Ask, *, id_: int, now: float) -> Question:
    """The question as it is asked now; whether its recipient exists is not looked at.

    Raises BadQuestion for a question to oneself, a text, options or a time that cannot be.
    """
    options = tuple(flattened(option) for option in ask.options)
    if ask.to == asker:
        raise BadQuestion("you cannot ask yourself: decide, or ask the operator or another agent")
    if not ask.text.strip() or len(ask.text) > MOST_TEXT:
        raise BadQuestion(
            f"the question has {len(ask.text)} characters, it must have 1 to {MOST_TEXT}: "
            "write longer things to a file and give its path"
        )
    if len(options) > MOST_OPTIONS or len(options) == 1:
        raise BadQuestion(
            f"{len(options)} options are given: give 2 to {MOST_OPTIONS}, or none for a free answer"
        )
    for number, option in enumerate(options, start=1):
        if not (0 < len(option) <= MOST_OPTION and option.isprintable()):
            raise BadQuestion(f"option {number} must have 1 to {MOST_OPTION} printable characters")
    if len({_folded(option) for option in options}) < len(options):
        raise BadQuestion("two options are the same: each must differ from the others")
    if ask.multi and not options:
        raise BadQuestion("`multi` is for questions with options: give some, or leave it out")
    if ask.ttl_s is not None and not SHORTEST_TTL_S <= ask.ttl_s <= LONGEST_TTL_S:
        raise BadQuestion(
            f"the time to live is {ask.ttl_s:g} s, it must be {SHORTEST_TTL_S:g} to "
            f"{LONGEST_TTL_S:g} s, or left out to wait for as long as it takes"
        )
    expires = None if ask.ttl_s is None else now + ask.ttl_s
    return Question(id_, asker, ask.to, ask.text, now, options, ask.multi, expires)


def check_room(open_ids: Sequence[int]) -> None:
    """Raise TooManyQuestions when these open questions leave no room for another one."""
    if len(open_ids) >= MOST_OPEN:
        shown = ", ".join(map(str, sorted(open_ids)))
        raise TooManyQuestions(
            f"{len(open_ids)} questions of yours are open, more than {MOST_OPEN} are not allowed: "
            f"wait for answers, or withdraw some with cancel_loose_end (open: {shown})"
        )


def answered(question: Question, by: str, answer: Answer, now: float) -> Question:
    """The question with its answer; itself if it has this answer already.

    Raises NoSuchQuestion for an agent that was not asked, QuestionOver when it has ended, and
    BadAnswer for what is none of its options.
    """
    if by not in (question.to, OPERATOR):
        raise NoSuchQuestion(f"question {question.id} was not put to you: only {question.to} can")
    text = chosen(question, answer)
    if question.state is QuestionState.ANSWERED and (question.answer, question.answered_by) == (
        text,
        by,
    ):
        return question
    check_open(question, now)
    return evolve(question, state=QuestionState.ANSWERED, answer=text, answered_by=by, ended_at=now)


def withdrawn(question: Question, asker: str, now: float) -> Question:
    """The question, cancelled by its asker; itself if it was before.

    Raises NoSuchQuestion for a question of somebody else, QuestionOver when it has ended.
    """
    if asker != question.asker:
        raise NoSuchQuestion(
            f"question {question.id} is {question.asker}'s: only they can withdraw it. "
            "If you cannot answer it, answer so; loose_ends shows what you can cancel"
        )
    if question.state is QuestionState.CANCELLED:
        return question
    check_open(question, now)
    return evolve(question, state=QuestionState.CANCELLED, ended_at=now)


def expired(question: Question, now: float) -> Question:
    """The question after its time is over without an answer."""
    return evolve(question, state=QuestionState.EXPIRED, ended_at=now)


def check_open(question: Question, now: float) -> None:
    """Raise QuestionOver if it has ended, or if its time is over and it has yet to expire."""
    state = question.state
    if state is QuestionState.OPEN and question.expires_at is not None:
        state = QuestionState.EXPIRED if question.expires_at <= now else state
    if state is not QuestionState.OPEN:
        how = _ENDS[state].format(by=question.answered_by, asker=question.asker)
        raise QuestionOver(f"question {question.id} is over: it {how}")


def chosen(question: Question, answer: Answer) -> str:
    """The text of an answer: that of the chosen options, a line each, where there are some.

    Raises BadAnswer, with what is allowed, for an empty answer and for what is no option.
    """
    text = (answer.text or "").strip()
    if not question.options:
        if answer.options:
            raise BadAnswer(f"question {question.id} has no options: answer it with a text")
        if not text:
            raise BadAnswer(f"the answer to question {question.id} is empty: say something")
        return text
    if bool(text) == bool(answer.options):
        raise BadAnswer(_allowed(question, "give either numbers of options or the text of one"))
    numbers = answer.options or _number_of(question, text)
    if not all(1 <= number <= len(question.options) for number in numbers):
        raise BadAnswer(_allowed(question, "that is none of its options"))
    if len(set(numbers)) < len(numbers) or (len(numbers) > 1 and not question.multi):
        raise BadAnswer(
            _allowed(question, "choose each option once" if question.multi else "choose one option")
        )
    return "\n".join(question.options[number - 1] for number in sorted(numbers))


def _number_of(question: Question, text: str) -> tuple[int, ...]:
    folded = [_folded(option) for option in question.options]
    wanted = _folded(flattened(text))
    return (folded.index(wanted) + 1,) if wanted in folded else (0,)


def _allowed(question: Question, fault: str) -> str:
    listed = "; ".join(f"{n}: {option}" for n, option in enumerate(question.options, start=1))
    return f"question {question.id}: {fault}. Its options are {listed}"


def _folded(option: str) -> str:
    return option.casefold()
