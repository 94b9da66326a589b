"""Why the desk refuses something; `code` is stable, the text is for whoever asked."""

from hive.broker import BrokerError


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


class TooMany(BrokerError):
    """A cap is reached; the text says when it goes on."""

    code = "too_many"


class BadLine(BrokerError):
    """A line, a label or a reason that cannot be shown."""

    code = "bad_line"
