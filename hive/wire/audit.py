"""The audit: which acts operators did, and what came of them."""

from enum import StrEnum

from attrs import frozen


@frozen
class GetAudit:
    """The newest `limit` entries; answered with `Audit`."""

    limit: int = 100


class ActOutcome(StrEnum):
    """What came of an operator's act."""

    DONE = "done"
    REFUSED = "refused"
    """It is not allowed, or makes no sense: nothing was changed."""
    FAILED = "failed"
    """It was tried, and did not work."""
    UNKNOWN = "unknown"
    """No end was recorded: the daemon died first, whoever asked was gone, or it is under way."""


@frozen
class AuditEntry:
    """One act of an operator; `at` is when it began (epoch seconds)."""

    at: float
    who: str
    """The user and process behind the connection, and whether by the page or a command."""
    action: str
    target: str
    detail: str
    outcome: ActOutcome = ActOutcome.UNKNOWN
    why: str = ""
    """Why it was refused or failed, or what it did; empty when there is no more to say."""


@frozen
class Audit:
    """Entries of the audit, oldest first."""

    entries: tuple[AuditEntry, ...]


OperatorReads = GetAudit
FromDaemon = Audit
