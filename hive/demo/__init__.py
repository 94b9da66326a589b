"""A scripted Messages API: the real CLI without an account, and failures on cue."""

from hive.demo.failures import FailKind
from hive.demo.reply import (
    Answer,
    Block,
    Call,
    Delay,
    Drop,
    Fail,
    Limits,
    Page,
    Persona,
    Reply,
    Say,
    Stall,
)
from hive.demo.request import BadRequest, MessagesRequest
from hive.demo.script import Recorded, Rule, Script
from hive.demo.server import serve

__all__ = [
    "Answer",
    "BadRequest",
    "Block",
    "Call",
    "Delay",
    "Drop",
    "Fail",
    "FailKind",
    "Limits",
    "MessagesRequest",
    "Page",
    "Persona",
    "Recorded",
    "Reply",
    "Rule",
    "Say",
    "Script",
    "Stall",
    "serve",
]
