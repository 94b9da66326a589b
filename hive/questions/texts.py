"""The bodies of the messages that a question causes; every text in them is somebody's own."""

from hive.text import flattened, shortened
from hive.wire.names import OPERATOR
from hive.wire.questions import Question

_QUOTED = 200


def asking(question: Question) -> str:
    """The message that puts the question to its recipient."""
    operator = question.to == OPERATOR
    number = question.id
    lines = [f"Question {number} for you:", question.text]
    if question.options:
        lines += ["", "Choose one or more:" if question.multi else "Choose one:"]
        lines += [f"  {n}. {option}" for n, option in enumerate(question.options, start=1)]
    lines.append("")
    if operator:
        choose = "--option N" if question.options else "TEXT"
        lines.append(f"Answer with: hive answer {number} {choose}")
    else:
        choose = "options=[N]" if question.options else "text=..."
        lines.append(f"Answer with the tool `answer` (question={number}, {choose}), not with send.")
    return "\n".join(lines)


def answering(question: Question) -> str:
    """The message that tells the asker the answer."""
    whose = f"Answer to your question {question.id} ({_quoted(question)})"
    if question.answered_by != question.to:
        whose += f", given by the {question.answered_by} in the place of {question.to}"
    return f"{whose}:\n{question.answer}"


def expiring(question: Question) -> str:
    """The message that tells the asker that nobody answered in time."""
    return (
        f"No answer: {question.to} did not answer your question {question.id} "
        f"({_quoted(question)}) in time. It is over; ask again if you still need to know."
    )


def withdrawing(question: Question) -> str:
    """The message that tells the recipient that the question is withdrawn."""
    return (
        f"Question {question.id} ({_quoted(question)}) is withdrawn: "
        "no answer is needed any more, nor any to this."
    )


def _quoted(question: Question) -> str:
    return f'"{shortened(flattened(question.text), _QUOTED)}"'
