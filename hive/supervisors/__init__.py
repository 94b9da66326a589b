"""Supervisors for Trio programs: children that are kept alive, in order, and visibly."""

from hive.actors.exits import Exit, ExitKind, Ignored, Park, Shutdown
from hive.supervisors.backoff import Backoff
from hive.supervisors.context import Context
from hive.supervisors.dynamic import DynamicSupervisor
from hive.supervisors.errors import (
    AlreadyPresent,
    IntensityExceeded,
    MaxChildren,
    NotFound,
    NotRunning,
    NotStopped,
    SpecError,
    StartFailed,
    StillRunning,
    SupervisorError,
    cause_chain,
    cause_text,
)
from hive.supervisors.events import (
    Escalated,
    Event,
    Exited,
    Overdue,
    Parked,
    PastEvent,
    Reconfigured,
    Restarting,
    Resumed,
    Silent,
    Sink,
    Started,
    Stopping,
    Suspended,
    Unparked,
    Unstopped,
    exit_text,
    log_sink,
)
from hive.supervisors.intensity import RestartIntensity
from hive.supervisors.reports import Form, report
from hive.supervisors.retry import RetryAfter
from hive.supervisors.root import run_root
from hive.supervisors.sinks import ThreadSink
from hive.supervisors.spec import AutoShutdown, ChildSpec, OnSilence, Restart, Strategy, check_specs
from hive.supervisors.supervisor import ChildInfo, Supervisor, supervisor_spec
from hive.supervisors.tree import Counts, Snapshot, State
from hive.supervisors.watchdog import LoopStatistics, LoopWatchdog

__all__ = [
    "AlreadyPresent",
    "AutoShutdown",
    "Backoff",
    "ChildInfo",
    "ChildSpec",
    "Context",
    "Counts",
    "DynamicSupervisor",
    "Escalated",
    "Event",
    "Exit",
    "ExitKind",
    "Exited",
    "Form",
    "Ignored",
    "IntensityExceeded",
    "LoopStatistics",
    "LoopWatchdog",
    "MaxChildren",
    "NotFound",
    "NotRunning",
    "NotStopped",
    "OnSilence",
    "Overdue",
    "Park",
    "Parked",
    "PastEvent",
    "Reconfigured",
    "Restart",
    "RestartIntensity",
    "Restarting",
    "Resumed",
    "RetryAfter",
    "Shutdown",
    "Silent",
    "Sink",
    "Snapshot",
    "SpecError",
    "StartFailed",
    "Started",
    "State",
    "StillRunning",
    "Stopping",
    "Strategy",
    "Supervisor",
    "SupervisorError",
    "Suspended",
    "ThreadSink",
    "Unparked",
    "Unstopped",
    "cause_chain",
    "cause_text",
    "check_specs",
    "exit_text",
    "log_sink",
    "report",
    "run_root",
    "supervisor_spec",
]
