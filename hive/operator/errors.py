"""The error that whoever asked is answered with: what was not done, why, and what to do now."""

import trio

from hive.actors import ActorError
from hive.broker import BrokerError
from hive.config_repos import ConfigRepoError
from hive.containers import ContainerError, DriverUnavailable
from hive.directory import AgentExists, NoSuchAgent
from hive.gate import GateUnavailable
from hive.git import GitError
from hive.link import LinkError
from hive.store import StoreError
from hive.supervisors import (
    AlreadyPresent,
    NotFound,
    NotRunning,
    NotStopped,
    SpecError,
    StartFailed,
    StillRunning,
    SupervisorError,
)

_TRY = "`hive status` shows what runs; try again in a moment"


class NotDone(LinkError):
    """What was asked is allowed and was tried, but failed; any other LinkError is a refusal."""


def explained(error: Exception) -> LinkError | None:
    """The error for whoever asked; None when `error` is a fault of the hive itself."""
    match error:
        case LinkError():
            return error
        case ExceptionGroup(exceptions=[Exception() as only]):  # as nurseries raise it
            return explained(only)
        case BrokerError():
            return LinkError(error.code, str(error))
        case StoreError() | GitError():
            return NotDone(error.code, str(error))
        case ConfigRepoError():
            return LinkError(error.code, str(error))
        case NoSuchAgent():
            return LinkError("no_such_agent", str(error))
        case AgentExists():
            return LinkError("agent_exists", str(error))
        case GateUnavailable():
            return NotDone("gate_unavailable", str(error))
        case SupervisorError():
            return _supervisors(error)
        case DriverUnavailable():
            return LinkError("not_done", str(error))
        case ContainerError():
            return NotDone("not_done", str(error))
        case ActorError():
            return NotDone("not_done", f"a part of the hive did not answer: {error}; {_TRY}")
        case trio.TooSlowError():
            return NotDone(
                "too_slow",
                "a part of the hive did not answer in time, so this may or may not have been "
                f"done; {_TRY}",
            )
        case ValueError():
            return LinkError("bad_request", str(error))
        case OSError():
            return NotDone(
                "not_done",
                f"the machine did not allow it: {error}; look at the disk, at the limits and the "
                "permissions of the hive's user, then try again",
            )
    return None


def _supervisors(error: SupervisorError) -> LinkError:
    match error:
        case NotFound() | AlreadyPresent() | StillRunning() | SpecError():
            return LinkError("not_done", str(error))
        case StartFailed(path=path):
            why = f"`hive tree {path}` shows why, `hive kick {path}` tries again"
            return NotDone("not_done", f"{error}; {why}")
        case NotStopped():
            return NotDone(
                "not_done", f"{error}; `hive status` shows it until it is gone, then try again"
            )
        case NotRunning():
            return NotDone(
                "not_done",
                f"{error}: that part of the hive restarts, is parked or is being stopped; {_TRY}",
            )
    return NotDone("not_done", f"{error}; {_TRY}")
