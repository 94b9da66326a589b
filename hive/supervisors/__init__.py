"""Supervisors for Trio programs: children that are kept alive, in order, and visibly."""

from hive.actors.exits import Exit, ExitKind, Ignored, Park, Shutdown
from hive.supervisors.backoff import Backoff
from hive.supervisors.budget import Budget
from hive.supervisors.context import Context
from hive.supervisors.dynamic import DynamicSupervisor
from hive.supervisors.errors import (
    AlreadyPresent,
    BudgetExhausted,
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
    Restarting,
    Sink,
    Started,
    Stopping,
    Unparked,
    Unstopped,
    exit_text,
    log_sink,
    one_line,
)
from hive.supervisors.root import run_root
from hive.supervisors.spec import AutoShutdown, ChildSpec, Restart, Strategy, check_specs
from hive.supervisors.supervisor import ChildInfo, Supervisor, supervisor_spec
from hive.supervisors.tree import Counts, Snapshot, State
from hive.supervisors.watchdog import LoopStatistics, LoopWatchdog

__all__ = [
    "AlreadyPresent",
    "AutoShutdown",
    "Backoff",
    "Budget",
    "BudgetExhausted",
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
    "Ignored",
    "LoopStatistics",
    "LoopWatchdog",
    "MaxChildren",
    "NotFound",
    "NotRunning",
    "NotStopped",
    "Overdue",
    "Park",
    "Parked",
    "Restart",
    "Restarting",
    "Shutdown",
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
    "Unparked",
    "Unstopped",
    "cause_chain",
    "cause_text",
    "check_specs",
    "exit_text",
    "log_sink",
    "one_line",
    "run_root",
    "supervisor_spec",
]
