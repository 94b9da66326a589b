"""Actors for Trio programs, and how any task's end is told."""

from hive.actors.actor import DEFERRED, Actor
from hive.actors.errors import (
    ActorDied,
    ActorError,
    CallingSelf,
    MailboxClosed,
    MailboxFull,
    NameTaken,
    NoActor,
)
from hive.actors.exits import (
    Exit,
    ExitKind,
    Ignored,
    Park,
    Shutdown,
    Stop,
    classify,
    fatal_part,
    leaves,
    root_cause,
)
from hive.actors.host import ActorHost, Parent
from hive.actors.mailbox import Full, Mailbox, MailboxStatistics
from hive.actors.monitors import Down, Monitor
from hive.actors.probe import Handled, Status, get_status, resume, suspend
from hive.actors.ref import ActorRef
from hive.actors.registry import Registry
from hive.actors.slot import Slot
from hive.actors.timers import Timer

__all__ = [
    "DEFERRED",
    "Actor",
    "ActorDied",
    "ActorError",
    "ActorHost",
    "ActorRef",
    "CallingSelf",
    "Down",
    "Exit",
    "ExitKind",
    "Full",
    "Handled",
    "Ignored",
    "Mailbox",
    "MailboxClosed",
    "MailboxFull",
    "MailboxStatistics",
    "Monitor",
    "NameTaken",
    "NoActor",
    "Parent",
    "Park",
    "Registry",
    "Shutdown",
    "Slot",
    "Status",
    "Stop",
    "Timer",
    "classify",
    "fatal_part",
    "get_status",
    "leaves",
    "resume",
    "root_cause",
    "suspend",
]
