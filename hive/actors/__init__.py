"""Actors for Trio programs: state that one task owns, a bounded mailbox, calls with deadlines.

Also the words for how any task ends (`Exit`, `Park`, `Shutdown`), which hive.supervisors shares.
Needs Trio and attrs only.
"""

from hive.actors.actor import DEFERRED, Actor
from hive.actors.errors import (
    ActorDied,
    ActorError,
    ActorParked,
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
from hive.actors.host import ActorHost, ChildListener, Parent
from hive.actors.incarnation import ActorDown, Monitor
from hive.actors.mailbox import Full, Mailbox, MailboxStatistics
from hive.actors.probe import (
    ActorStatus,
    Handled,
    get_state,
    get_status,
    replace_state,
    resume,
    suspend,
)
from hive.actors.ref import ActorRef
from hive.actors.registry import Registry
from hive.actors.slot import Slot
from hive.actors.spawn import spawn
from hive.actors.timers import Timer

__all__ = [
    "DEFERRED",
    "Actor",
    "ActorDied",
    "ActorDown",
    "ActorError",
    "ActorHost",
    "ActorParked",
    "ActorRef",
    "ActorStatus",
    "CallingSelf",
    "ChildListener",
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
    "Stop",
    "Timer",
    "classify",
    "fatal_part",
    "get_state",
    "get_status",
    "leaves",
    "replace_state",
    "resume",
    "root_cause",
    "spawn",
    "suspend",
]
