"""Approvals: what agents propose and the operator decides.

Only the decisions are here; nothing of the hive uses them yet. `docs/lifecycle.md` tells it whole.
"""

from hive.approvals.policy import (
    Approval,
    ApprovalKind,
    ApprovalOver,
    ApprovalState,
    ChangedField,
    Decided,
    Proposal,
    ProposalRefused,
    Submitted,
    Target,
    approve,
    deny,
    expired,
    progressed,
    submit,
)

__all__ = [
    "Approval",
    "ApprovalKind",
    "ApprovalOver",
    "ApprovalState",
    "ChangedField",
    "Decided",
    "Proposal",
    "ProposalRefused",
    "Submitted",
    "Target",
    "approve",
    "deny",
    "expired",
    "progressed",
    "submit",
]
