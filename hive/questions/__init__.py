"""Questions of agents to each other and to the operator: each has one end, and is told of it."""

from hive.questions.policy import (
    BadAnswer,
    BadQuestion,
    NoSuchQuestion,
    QuestionOver,
    TooManyQuestions,
)
from hive.questions.service import QuestionService

__all__ = [
    "BadAnswer",
    "BadQuestion",
    "NoSuchQuestion",
    "QuestionOver",
    "QuestionService",
    "TooManyQuestions",
]
