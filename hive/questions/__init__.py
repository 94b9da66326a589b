"""The desk: what agents ask the hive for beside messages, and questions with an end."""

from hive.questions.desk import Desk
from hive.questions.errors import (
    BadAnswer,
    BadQuestion,
    NoSuchQuestion,
    QuestionOver,
    TooMany,
)
from hive.questions.questions import Questions
from hive.questions.says import Says
from hive.questions.wakes import Wakes

__all__ = [
    "BadAnswer",
    "BadQuestion",
    "Desk",
    "NoSuchQuestion",
    "QuestionOver",
    "Questions",
    "Says",
    "TooMany",
    "Wakes",
]
