"""Approvals: what agents propose and the operator decides; `docs/approvals.md` tells it whole."""

from hive.approvals.policy import (
    ApprovalOver,
    Decided,
    NoSuchApproval,
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
from hive.approvals.service import ApprovalService
from hive.wire.approvals import Approval, ApprovalKind, ApprovalState, ChangedField

__all__ = [
    "Approval",
    "ApprovalKind",
    "ApprovalOver",
    "ApprovalService",
    "ApprovalState",
    "ChangedField",
    "Decided",
    "NoSuchApproval",
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
