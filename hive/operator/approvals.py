"""Approvals: listed, shown with their difference, approved and denied by the operator."""

from attrs import frozen

from hive.approvals import ApprovalService, NoSuchApproval
from hive.operator.handlers import Act, Handler, Table, newest_that_fit, read, row_limit
from hive.wire.approvals import (
    ApprovalDecided,
    ApprovalDifference,
    Approvals,
    DecideApproval,
    GetApproval,
    GetApprovals,
)


def table(service: ApprovalService) -> Table:
    """What the operator may ask about approvals, and how he decides them."""
    approvals = _Approvals(service)
    return {
        GetApprovals: read(approvals.listed),
        GetApproval: read(approvals.difference),
        # Rows first, then tags in git: one without the other is put in order at the next start.
        DecideApproval: Handler(approvals.decide, approvals.describe, has_steps=True),
    }


@frozen
class _Approvals:
    service: ApprovalService

    async def listed(self, asked: GetApprovals) -> Approvals:
        found = await self.service.listed(row_limit(asked.limit), ended=asked.ended)
        return Approvals(newest_that_fit(found))

    async def difference(self, asked: GetApproval) -> ApprovalDifference:
        return await self.service.difference(asked.id, asked.against)

    async def decide(self, one: DecideApproval) -> ApprovalDecided:
        return await self.service.decide(one.id, approve=one.approve, note=one.note)

    async def describe(self, one: DecideApproval) -> Act:
        detail = one.note
        try:
            found = await self.service.get(one.id)
            what = f"{found.kind} of {found.agent}, commit {found.commit}, by {found.by}"
            detail = f"{what}: {one.note}" if one.note else what
        except NoSuchApproval:
            pass  # which is the act's to refuse
        return Act("approve" if one.approve else "deny", f"approval {one.id}", detail)
