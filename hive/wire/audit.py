"""The audit: what operators did."""

from enum import StrEnum

from attrs import frozen


@frozen
class GetAudit:
    """The newest `limit` acts of operators."""

    limit: int = 100


class ActOutcome(StrEnum):
    """What came of an operator's act."""

    DONE = "done"
    REFUSED = "refused"
    """It is not allowed, or cannot be: nothing was changed."""
    FAILED = "failed"
    """It was tried, and did not work."""
    UNKNOWN = "unknown"
    """No end was recorded: the daemon died first, whoever asked was gone, or it is under way."""


@frozen
class AuditEntry:
    """Who did what to whom, and what came of it and why; `at` in epoch seconds."""

    at: float
    who: str
    action: str
    target: str
    detail: str
    outcome: ActOutcome = ActOutcome.UNKNOWN
    why: str = ""


@frozen
class Audit:
    """Oldest first."""

    entries: tuple[AuditEntry, ...]


OperatorReads = GetAudit
FromDaemon = Audit
