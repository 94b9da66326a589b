"""What becomes of a proposal: from an approval and a decision to the next approval. Pure.

An approval binds a commit to its base, the commit that was deployed when the two were compared:
that is what the operator has seen. If another one is deployed when it is taken, it comes back as a
new approval on the new base. What nobody approves expires. An approval is used once.

Every function returns what is to be written in one transaction. Schedules are approved too, and
have a state of their own today (`hive.schedules`). To join, they would be a kind without a commit,
as a purge is: `ScheduleState.REQUESTED` would be `open`, and what `approve` does today would follow
from `approved`.
"""

import re
from collections.abc import Iterable

from attrs import evolve, frozen

from hive.broker import BrokerError
from hive.wire.approvals import Approval, ApprovalKind, ApprovalState, ChangedField
from hive.wire.names import OPERATOR

TTL_S = 7 * 86_400.0
MOST_OPEN = 100
"""Open approvals of the whole hive: more than an operator can look at."""

MOST_OPEN_OF_ONE = 20
"""Open approvals of one proposer."""

MOST_TEXT = 4_000
"""Characters of a description or a note."""

_COMMIT = re.compile(r"[0-9a-f]{40}")

_AFTER: dict[ApprovalState, frozenset[ApprovalState]] = {
    ApprovalState.APPROVED: frozenset(
        {
            ApprovalState.BUILDING,
            ApprovalState.DEPLOYED,
            ApprovalState.FAILED,
            ApprovalState.SUPERSEDED,
        }
    ),
    ApprovalState.BUILDING: frozenset(
        {
            ApprovalState.APPROVED,  # pre-empted by a pause or a stop: it will begin anew
            ApprovalState.DEPLOYED,
            ApprovalState.FAILED,
            ApprovalState.REVERTED,
            ApprovalState.SUPERSEDED,
        }
    ),
    ApprovalState.FAILED: frozenset({ApprovalState.REVERTED}),
}
"""What a deployment makes of an approval; what the operator and time make of it is below."""

_ENDS = frozenset(ApprovalState) - {
    ApprovalState.OPEN,
    ApprovalState.APPROVED,
    ApprovalState.BUILDING,
}


class ProposalRefused(BrokerError):
    """This cannot be proposed; the text says what is wrong, what is allowed and what to do."""

    code = "proposal_refused"


class NoSuchApproval(BrokerError):
    """No approval has that number."""

    code = "no_such_approval"


class ApprovalOver(BrokerError):
    """The approval cannot be decided any more, or not so; the text says why and what to do."""

    code = "approval_over"


@frozen
class Proposal:
    """What somebody asks for; `commit` is a full hash, None for a purge."""

    kind: ApprovalKind
    agent: str
    by: str
    commit: str | None
    description: str = ""


@frozen
class Target:
    """The agent that a proposal is about, as it is now.

    `exists` also while it is stopped or destroyed, until it is purged, but not yet as a draft.
    `base` is the commit that is deployed, None before the first. `fields` are what the proposed
    commit changes in it. `quarantine` is why that commit is in quarantine for this agent, None if
    it is not.
    """

    exists: bool
    base: str | None = None
    fields: tuple[ChangedField, ...] = ()
    quarantine: str | None = None


@frozen
class Submitted:
    """The approval of a proposal, and which others ended by it.

    `approval` was there before if the same was proposed again; then nothing has ended.
    """

    approval: Approval
    ended: tuple[Approval, ...] = ()


@frozen
class Decided:
    """The approval as the operator left it, and another one that is open in its place, or None."""

    approval: Approval
    instead: Approval | None = None


# -- proposing ----------------------------------------------------------------------------------


def submit(
    proposal: Proposal, target: Target, known: Iterable[Approval], *, new_id: int, now: float
) -> Submitted:
    """Open an approval for the proposal; raises ProposalRefused.

    `known` holds all open approvals of the hive, and of this agent also those that are approved,
    building or about the same commit. An older open one for this agent is superseded; the same
    commit on the same base gives the approval that is open or under way.
    """
    _check(proposal, target)
    known = tuple(known)
    same = [one for one in known if _is_about_the_same(one, proposal)]
    for one in same:
        if one.commit == proposal.commit and (
            (one.is_open(now) and one.base == target.base)
            or one.state in (ApprovalState.APPROVED, ApprovalState.BUILDING)
        ):
            return Submitted(one)
    if proposal.by != OPERATOR:
        _check_not_refused_before(proposal, target, same)
    replaced = [one for one in same if one.state is ApprovalState.OPEN]
    others = [one for one in known if one.is_open(now) and one not in replaced]
    _check_room(others, proposal.by)
    ended = tuple(_ended_for(one, f"replaced by approval {new_id}", now) for one in replaced)
    return Submitted(_opened(proposal, target, new_id, now), ended)


def _check(proposal: Proposal, target: Target) -> None:
    """Raise ProposalRefused if such a thing cannot be asked for at all."""
    agent, commit = proposal.agent, proposal.commit
    if len(proposal.description) > MOST_TEXT:
        raise ProposalRefused(
            f"the description has {len(proposal.description)} characters, at most {MOST_TEXT} are "
            "allowed: write the rest into the commit's message"
        )
    if proposal.kind is ApprovalKind.SPAWN and target.exists:
        raise ProposalRefused(
            f"there is an agent {agent!r} already: propose a commit that changes its "
            "configuration, or choose another name"
        )
    if proposal.kind is not ApprovalKind.SPAWN and not target.exists:
        raise ProposalRefused(f"there is no agent {agent!r}: propose its spawn first")
    if proposal.kind is ApprovalKind.PURGE:
        if commit is not None:
            raise ProposalRefused("a purge removes the whole agent: leave the commit out")
        return
    if commit is None or not _COMMIT.fullmatch(commit):
        raise ProposalRefused(
            "the commit is not a full hash of 40 digits 0-9 and a-f: branches and tags can move, "
            "so only a hash is allowed; `git rev-parse HEAD` shows it"
        )
    if commit == target.base:
        raise ProposalRefused(
            f"commit {commit[:12]} is what {agent} runs already: there is nothing to approve. To "
            "start it anew, rebuild the agent"
        )


def _check_not_refused_before(proposal: Proposal, target: Target, same: list[Approval]) -> None:
    """Raise ProposalRefused for a commit that failed or was denied: the operator may try again."""
    commit = (proposal.commit or "")[:12]
    if target.quarantine is not None:
        raise ProposalRefused(
            f"commit {commit} is in quarantine, because it failed: {target.quarantine}. Commit a "
            "change that mends it and propose that, or ask the operator to try this one again"
        )
    denied = [one for one in same if one.state is ApprovalState.DENIED]
    if proposal.commit is not None and any(one.commit == proposal.commit for one in denied):
        note = next(one.note for one in reversed(denied) if one.commit == proposal.commit)
        raise ProposalRefused(
            f"the operator has denied commit {commit}{f' ({note})' if note else ''}: propose a "
            "different commit, or ask the operator why"
        )


def _check_room(open_: list[Approval], by: str) -> None:
    own = [one for one in open_ if one.by == by]
    if len(own) >= MOST_OPEN_OF_ONE:
        raise ProposalRefused(
            f"{len(own)} proposals of {by} are open, more than {MOST_OPEN_OF_ONE} are not allowed: "
            "wait until the operator has decided some"
        )
    if len(open_) >= MOST_OPEN:
        raise ProposalRefused(
            f"{len(open_)} proposals are open in this hive, more than {MOST_OPEN} are not allowed: "
            "wait until the operator has decided some (`hive approvals`)"
        )


def _is_about_the_same(approval: Approval, proposal: Proposal) -> bool:
    """Whether a newer one replaces it: a purge and a commit do not replace each other."""
    return approval.agent == proposal.agent and (
        (approval.kind is ApprovalKind.PURGE) == (proposal.kind is ApprovalKind.PURGE)
    )


def _opened(proposal: Proposal, target: Target, id_: int, now: float) -> Approval:
    return Approval(
        id=id_,
        kind=proposal.kind,
        agent=proposal.agent,
        by=proposal.by,
        commit=proposal.commit,
        base=target.base,
        description=proposal.description,
        fields=target.fields,
        created_at=now,
        expires_at=now + TTL_S,
    )


# -- deciding -----------------------------------------------------------------------------------


def approve(
    approval: Approval, target: Target, *, by: str, new_id: int, now: float, note: str = ""
) -> Decided:
    """Approve for a single use, if the base is still what the operator has seen.

    Otherwise the approval is superseded by a new one, open as `new_id`, on the base of today with
    its fields; by none if the commit is what runs today. Raises ApprovalOver.
    """
    _check_decision(approval, by, note, now)
    spawn = approval.kind is ApprovalKind.SPAWN
    if target.exists == spawn:
        what = "exists already" if spawn else "does not exist any more"
        raise ApprovalOver(
            f"approval {approval.id} cannot be approved: agent {approval.agent!r} {what}. It can "
            f"be denied (`hive deny {approval.id}`)"
        )
    if approval.commit is None or approval.base == target.base:
        return Decided(evolve(approval, state=ApprovalState.APPROVED, note=note))
    moved = f"another commit, {_short(target.base)}, was deployed since it was proposed"
    if approval.commit == target.base:
        return Decided(_ended_for(approval, "this commit is what runs already", now))
    proposal = Proposal(
        approval.kind, approval.agent, approval.by, approval.commit, approval.description
    )
    return Decided(
        _ended_for(approval, f"{moved}: approval {new_id} shows the new difference", now),
        _opened(proposal, target, new_id, now),
    )


def deny(approval: Approval, *, by: str, now: float, note: str = "") -> Approval:
    """The approval, denied; raises ApprovalOver."""
    _check_decision(approval, by, note, now)
    return evolve(approval, state=ApprovalState.DENIED, ended_at=now, note=note)


def expired(approvals: Iterable[Approval], now: float) -> tuple[Approval, ...]:
    """Those of them whose time is over without a decision, ended."""
    return tuple(
        evolve(one, state=ApprovalState.EXPIRED, ended_at=now)
        for one in approvals
        if one.state is ApprovalState.OPEN and not one.is_open(now)
    )


def abandoned(approvals: Iterable[Approval], now: float) -> tuple[Approval, ...]:
    """Those of them that had not ended, ended because their agent is destroyed."""
    return tuple(
        evolve(one, state=ApprovalState.SUPERSEDED, ended_at=now, note="the agent was destroyed")
        for one in approvals
        if one.state not in _ENDS
    )


def progressed(approval: Approval, state: ApprovalState, *, now: float, note: str = "") -> Approval:
    """The approval, after its deployment came to a new state; itself if it is there already.

    Raises ApprovalOver if no deployment can make that of it: it would be used a second time.
    """
    if state is approval.state:
        return approval
    if state not in _AFTER.get(approval.state, frozenset()):
        raise ApprovalOver(
            f"approval {approval.id} is {approval.state} and cannot become {state}: an approval is "
            "used once. Propose the commit again"
        )
    ended_at = now if state in _ENDS else None
    return evolve(approval, state=state, ended_at=ended_at, note=note or approval.note)


def _check_decision(approval: Approval, by: str, note: str, now: float) -> None:
    if by != OPERATOR:
        raise ApprovalOver(f"only the operator decides approval {approval.id}: wait, or ask them")
    if len(note) > MOST_TEXT:
        raise ApprovalOver(f"the note has {len(note)} characters: shorten it to {MOST_TEXT}")
    if approval.is_open(now):
        return
    state = approval.state
    how = f"is {state}" if state is not ApprovalState.OPEN else "has expired"
    why = f" ({approval.note})" if approval.note else ""
    under_way = state in (ApprovalState.APPROVED, ApprovalState.BUILDING)
    what_now = (
        "its deployment waits or is under way"
        if under_way
        else "if it is still wanted it must be proposed again"
    )
    raise ApprovalOver(f"approval {approval.id} {how}{why} and is decided once: {what_now}")


def _ended_for(approval: Approval, why: str, now: float) -> Approval:
    """The open approval, whose place is taken; one whose time was over before has expired."""
    if not approval.is_open(now):
        return evolve(approval, state=ApprovalState.EXPIRED, ended_at=now)
    return evolve(approval, state=ApprovalState.SUPERSEDED, ended_at=now, note=why)


def _short(commit: str | None) -> str:
    return "none" if commit is None else commit[:12]
