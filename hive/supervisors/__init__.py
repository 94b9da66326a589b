"""Supervisors for Trio programs: children that are kept alive, in order, and visibly.

After Erlang/OTP's supervisor. What is promised is in docs/semantics.md. Needs Trio, attrs and
hive.actors only.
"""

from hive.actors.exits import Exit, ExitKind, Ignored, Park, Shutdown
from hive.supervisors.backoff import Backoff, RetryAfter
from hive.supervisors.context import Context
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
    ThreadSink,
    Unparked,
    Unstopped,
    exit_text,
    log_sink,
)
from hive.supervisors.flags import RestartIntensity
from hive.supervisors.loop_watchdog import LoopStatistics, LoopWatchdog
from hive.supervisors.reports import Form, report
from hive.supervisors.root import run_root
from hive.supervisors.snapshot import ChildCounts, Snapshot, State
from hive.supervisors.spec import AutoShutdown, ChildSpec, OnSilence, Restart, Strategy, check_specs
from hive.supervisors.supervisor import ChildInfo, DynamicSupervisor, Supervisor, supervisor_spec

__all__ = [
    "AlreadyPresent",
    "AutoShutdown",
    "Backoff",
    "ChildCounts",
    "ChildInfo",
    "ChildSpec",
    "Context",
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
