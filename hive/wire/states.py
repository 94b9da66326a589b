"""The state of a supervised part, and whether an agent may work: two closed sets."""

from enum import StrEnum


class AgentState(StrEnum):
    """The state of a supervised part, be it an agent or a child of any tree."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    BACKOFF = "backoff"
    """It failed and is started again after a delay."""
    PARKED = "parked"
    """It was halted by a decision, until a time or until somebody unparks it."""
    STOPPED = "stopped"
    OVERDUE = "overdue"
    """It was told to stop, and has not ended in its time."""
    FAILED = "failed"


class Condition(StrEnum):
    """Whether an agent may work, as the operator reads it: a closed set."""

    ONLINE = "online"
    RATE_LIMITED = "rate_limited"
    NEEDS_LOGIN = "needs_login"
    OVER_BUDGET = "over_budget"
    OVERLOADED = "overloaded"
    UNREACHABLE = "unreachable"
    PARKED = "parked"
