"""A scripted Messages API: the real CLI without an account, and failures on cue."""

from hive.demo.failures import FailKind
from hive.demo.reply import (
    Block,
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
from hive.demo.request import BadRequest, MessagesRequest
from hive.demo.script import RecordedRequest, Rule, Script
from hive.demo.server import serve

__all__ = [
    "BadRequest",
    "Block",
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
    "RecordedRequest",
    "Reply",
    "Rule",
    "Say",
    "Script",
    "Stall",
    "serve",
]
