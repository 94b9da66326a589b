"""Approvals: what agents propose and the operator decides; times in epoch seconds."""

from enum import StrEnum

from attrs import frozen


class KeyClass(StrEnum):
    """How a change of a key of `agent.toml` is brought into force."""

    HOT = "hot"
    """At once, while the agent works."""
    RESTART = "restart"
    """By a restart of its container."""


class ApprovalKind(StrEnum):
    """What is asked for."""

    CONFIGURATION = "configuration"
    SPAWN = "spawn"
    PERMISSIONS = "permissions"
    """A commit that changes what the agent may do to others, besides whatever else it changes."""
    PURGE = "purge"
    """Removes everything of the agent; the only kind without a commit."""


class ApprovalState(StrEnum):
    """Where an approval is in its life."""

    OPEN = "open"
    APPROVED = "approved"
    """The operator said yes; its deployment waits for its turn."""
    DENIED = "denied"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    """Another one took its place before it could be deployed."""
    BUILDING = "building"
    """Its deployment has begun."""
    DEPLOYED = "deployed"
    """It was proven; or, of a purge, it is done."""
    FAILED = "failed"
    REVERTED = "reverted"
    """It failed after it had replaced what ran before, which runs again."""


class Against(StrEnum):
    """What the commit of an approval is compared with."""

    BASE = "base"
    """What was deployed when it was proposed; the first configuration if nothing was."""
    APPROVED = "approved"
    """The last one before it that the operator has approved."""
    PREVIOUS = "previous"
    """The last one before it that was proposed."""


@frozen
class ChangedField:
    """A key of `agent.toml` that a commit changes, and what it takes to apply it."""

    key: str
    key_class: KeyClass = KeyClass.RESTART


@frozen
class Approval:
    """A proposal and what became of it.

    `commit` is a full hash, None for a purge; `base` is what was deployed when the two were
    compared, None if nothing was. `ended_at` is None while it is open, approved or building. `note`
    is the operator's, or why it ended.
    """

    id: int
    kind: ApprovalKind
    agent: str
    by: str
    commit: str | None
    base: str | None
    description: str
    fields: tuple[ChangedField, ...]
    created_at: float
    expires_at: float
    state: ApprovalState = ApprovalState.OPEN
    ended_at: float | None = None
    note: str = ""

    @property
    def is_hot(self) -> bool:
        """Whether all that its commit changes is applied without a restart."""
        return bool(self.fields) and all(one.key_class is KeyClass.HOT for one in self.fields)

    def is_open(self, now: float) -> bool:
        """Whether it can still be decided: nobody is quicker than the clock."""
        return self.state is ApprovalState.OPEN and now < self.expires_at


@frozen
class RequestApplyCommit:
    """Ask the operator to apply a commit of an agent's configuration; answered with `Proposed`.

    `commit` is a hash or at least its first 7 digits. The same `key` again proposes nothing and
    gives the approval of the first time.
    """

    agent: str
    commit: str
    description: str = ""
    key: str | None = None


@frozen
class Proposed:
    """The approval that is open for a proposal, or was there already for the same commit.

    `ended` are the ids of older ones whose place it took.
    """

    approval: Approval
    ended: tuple[int, ...] = ()


@frozen
class GetApprovals:
    """The newest `limit` approvals that have not ended, with `ended` those of every state.

    Answered with `Approvals`.
    """

    ended: bool = False
    limit: int = 100


@frozen
class Approvals:
    """Approvals, oldest first."""

    approvals: tuple[Approval, ...]


@frozen
class GetApproval:
    """One approval with its difference; answered with `ApprovalDifference`."""

    id: int
    against: Against = Against.BASE


@frozen
class ApprovalDifference:
    """An approval, and what its commit changes in comparison with the commit `old`.

    `diff` is None where there is nothing to compare; `why_none` says why then.
    """

    approval: Approval
    against: Against
    old: str | None = None
    diff: str | None = None
    why_none: str = ""


@frozen
class DecideApproval:
    """Approve an approval, or deny it; answered with `ApprovalDecided`."""

    id: int
    approve: bool
    note: str = ""


@frozen
class ApprovalDecided:
    """The approval after the decision.

    `instead` is another one, open in its place because its base had moved; None if there is none.
    """

    approval: Approval
    instead: Approval | None = None


@frozen
class ApprovalOpened:
    """A proposal for an agent waits for the operator; `what` is its kind."""

    id: int
    what: ApprovalKind
    by: str
    commit: str | None
    description: str = ""


@frozen
class ApprovalMoved:
    """An approval was decided, or ended otherwise; `note` is the operator's, or why."""

    id: int
    state: ApprovalState
    note: str = ""


FromAgent = RequestApplyCommit
OperatorReads = GetApprovals | GetApproval
OperatorActs = DecideApproval
FromDaemon = Proposed | Approvals | ApprovalDifference | ApprovalDecided
EventKinds = ApprovalOpened | ApprovalMoved
