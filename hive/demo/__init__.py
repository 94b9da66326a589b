"""A scripted Messages API: the real CLI without an account, and failures on cue."""

from hive.demo.failures import FailKind
from hive.demo.reply import (
    CallTool,
    Delay,
    Drop,
    Fail,
    LimitHeaders,
    ModelAnswer,
    Page,
    Persona,
    Reply,
    Say,
    Stall,
)
from hive.demo.request import MessagesRequest
from hive.demo.script import Rule, Script
from hive.demo.server import serve

__all__ = [
    "CallTool",
    "Delay",
    "Drop",
    "Fail",
    "FailKind",
    "LimitHeaders",
    "MessagesRequest",
    "ModelAnswer",
    "Page",
    "Persona",
    "Reply",
    "Rule",
    "Say",
    "Script",
    "Stall",
    "serve",
]
