"""Random histories of the approvals of a hive: nobody approves what they have not seen."""

import os

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hive.approvals import (
    Approval,
    ApprovalKind,
    ApprovalOver,
    ApprovalState,
    Proposal,
    ProposalRefused,
    Target,
    approve,
    deny,
    expired,
    progressed,
    submit,
)

EXAMPLES = int(os.environ.get("STRESS", "60"))
AGENTS = ("ann", "bob")
COMMITS = tuple(c * 40 for c in "abc")
ENDS = frozenset(ApprovalState) - {"open", "approved", "building"}

agents, commits = st.sampled_from(AGENTS), st.sampled_from(COMMITS)
picks = st.integers(0, 30)


class ApprovalMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000.0
        self.all: dict[int, Approval] = {}
        self.base: dict[str, str | None] = dict.fromkeys(AGENTS)
        self.quarantine: set[tuple[str, str]] = set()
        self.approved: list[int] = []

    def keep(self, *approvals: Approval) -> None:
        for one in approvals:
            before = self.all.get(one.id)
            assert (
                before is None
                or before.state not in ENDS
                or before == one
                or ((before.state, one.state) == ("failed", "reverted"))
            ), "it had ended"
            self.all[one.id] = one

    def target(self, agent: str, commit: str | None) -> Target:
        failed = "it failed" if (agent, commit) in self.quarantine else None
        return Target(self.base[agent] is not None, self.base[agent], quarantine=failed)

    @rule(agent=agents, commit=commits, kind=st.sampled_from(ApprovalKind), operator=st.booleans())
    def proposes(self, agent: str, commit: str, kind: ApprovalKind, operator: bool) -> None:
        by = "operator" if operator else "manager"
        hash_ = None if kind is ApprovalKind.PURGE else commit
        one = Proposal(kind, agent, by, hash_)
        target = self.target(agent, hash_)
        try:
            got = submit(one, target, self.all.values(), new_id=len(self.all) + 1, now=self.now)
        except ProposalRefused as error:
            assert ":" in str(error) and str(error)[0] != " "
            return
        there = got.approval.id in self.all  # be it that the operator has proposed it
        assert operator or target.quarantine is None or there, "only the operator tries it again"
        self.keep(*got.ended, got.approval)
        again = submit(one, target, self.all.values(), new_id=99, now=self.now)
        assert again.approval == got.approval, "the same again is the same"

    @rule(pick=picks, yes=st.booleans())
    def decides(self, pick: int, yes: bool) -> None:
        if not self.all:
            return
        one = self.all[1 + pick % len(self.all)]
        could = one.is_open(self.now)
        target = self.target(one.agent, one.commit)
        try:
            if not yes:
                self.keep(deny(one, by="operator", now=self.now))
                assert could
                return
            got = approve(one, target, by="operator", new_id=len(self.all) + 1, now=self.now)
        except ApprovalOver:
            spawn = one.kind is ApprovalKind.SPAWN
            assert not could or (yes and target.exists == spawn)
            return
        assert could
        self.keep(got.approval)
        if got.instead is not None:
            assert got.instead.base == target.base != one.base
            self.keep(got.instead)
        if got.approval.state is ApprovalState.APPROVED:
            assert one.commit is None or one.base == target.base, "never silently on another base"
            assert one.id not in self.approved, "used once"
            self.approved.append(one.id)

    @rule(pick=picks, state=st.sampled_from(ApprovalState))
    def deployment_goes_on(self, pick: int, state: ApprovalState) -> None:
        if not self.all:
            return
        one = self.all[1 + pick % len(self.all)]
        try:
            after = progressed(one, state, now=self.now)
        except ApprovalOver:
            return
        if one.state is ApprovalState.OPEN:
            assert after == one, "no deployment without the operator"
        self.keep(after)
        if after.state is ApprovalState.DEPLOYED and one.commit is not None:
            self.base[one.agent] = one.commit
        if after.state is ApprovalState.FAILED and one.commit not in (None, self.base[one.agent]):
            self.quarantine.add((one.agent, one.commit or ""))

    @rule(days=st.sampled_from((0.01, 3.0, 7.0, -1.0)))
    def time_passes(self, days: float) -> None:
        self.now += days * 86400
        self.keep(*expired(self.all.values(), self.now))

    @invariant()
    def one_at_most_is_open_of_an_agent(self) -> None:
        for agent in AGENTS:
            own = [one for one in self.all.values() if one.agent == agent and one.state == "open"]
            assert sum(one.kind is ApprovalKind.PURGE for one in own) <= 1
            assert sum(one.kind is not ApprovalKind.PURGE for one in own) <= 1

    @invariant()
    def what_has_ended_says_when(self) -> None:
        for one in self.all.values():
            assert (one.ended_at is not None) == (one.state in ENDS)


TestApprovalMachine = ApprovalMachine.TestCase
TestApprovalMachine.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=30, deadline=None
)
