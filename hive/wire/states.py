"""What a supervised part does, and whether an agent may work: two closed sets."""

from enum import StrEnum


class AgentState(StrEnum):
    """States of a supervised thing, everywhere the same closed set."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    BACKOFF = "backoff"
    PARKED = "parked"
    STOPPED = "stopped"
    OVERDUE = "overdue"
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
