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
    Parked,
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
from hive.actors.host import ActorHost, Parent, Tenant
from hive.actors.mailbox import Full, Mailbox, MailboxStatistics
from hive.actors.monitors import Down, Monitor
from hive.actors.probe import Status, get_state, get_status, replace_state, resume, suspend
from hive.actors.ref import ActorRef
from hive.actors.registry import Registry
from hive.actors.slot import Slot
from hive.actors.spawn import spawn
from hive.actors.timers import Timer
from hive.actors.trace import Handled

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
    "Parked",
    "Registry",
    "Shutdown",
    "Slot",
    "Status",
    "Stop",
    "Tenant",
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
