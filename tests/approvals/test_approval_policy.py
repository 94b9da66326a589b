"""Approvals: what may be proposed, what a decision makes of it, and that each is used once."""

from typing import Any

import pytest
from attrs import evolve

from hive.agent_config import KeyClass
from hive.approvals import (
    Approval,
    ApprovalKind,
    ApprovalOver,
    ApprovalState,
    ChangedField,
    Proposal,
    ProposalRefused,
    Target,
    approve,
    deny,
    expired,
    progressed,
    submit,
)
from hive.approvals.policy import MOST_OPEN, MOST_OPEN_OF_ONE, MOST_TEXT, TTL_S

NOW = 1_000_000.0
A, B, C = "a" * 40, "b" * 40, "c" * 40
MODEL = ChangedField("claude.model")


def proposal(commit: str | None = B, **changes: Any) -> Proposal:
    return evolve(Proposal(ApprovalKind.CONFIGURATION, "worker", "manager", commit), **changes)


def target(base: str | None = A, **changes: Any) -> Target:
    return evolve(Target(True, base, (MODEL,)), **changes)


def opened(commit: str | None = B, id_: int = 1, **changes: Any) -> Approval:
    return submit(proposal(commit, **changes), target(), (), new_id=id_, now=NOW).approval


def test_it_has_all_that_was_proposed_and_expires_in_a_week() -> None:
    got = submit(proposal(description="a better model"), target(), (), new_id=7, now=NOW)
    one = got.approval
    assert (one.id, one.commit, one.base, one.fields) == (7, B, A, (MODEL,))
    assert (one.state, one.ended_at, one.description) == ("open", None, "a better model")
    assert one.expires_at == NOW + 7 * 86400
    assert got.ended == ()


def test_it_is_hot_if_all_of_it_is() -> None:
    hot = ChangedField("may_send", KeyClass.HOT)
    for fields, expected in (((hot,), True), ((hot, MODEL), False), ((), False)):
        assert evolve(opened(), fields=fields).is_hot is expected


def test_a_newer_one_for_the_same_agent_supersedes_an_open_one() -> None:
    first, other = opened(), opened(id_=2, agent="other")
    got = submit(proposal(C), target(), [first, other], new_id=3, now=NOW + 1)
    assert [(one.id, one.state, one.ended_at) for one in got.ended] == [(1, "superseded", NOW + 1)]
    assert got.ended[0].note == "replaced by approval 3"


def test_a_purge_and_a_commit_do_not_supersede_each_other() -> None:
    purge = submit(proposal(None, kind=ApprovalKind.PURGE), target(), [opened()], new_id=2, now=NOW)
    assert purge.ended == ()
    again = submit(proposal(C), target(), [purge.approval], new_id=3, now=NOW)
    assert again.ended == ()


def test_the_same_again_is_the_same_approval() -> None:
    first = opened()
    for state in ApprovalState.OPEN, ApprovalState.APPROVED, ApprovalState.BUILDING:
        known = evolve(first, state=state)
        assert submit(proposal(), target(), [known], new_id=2, now=NOW + 9).approval is known


def test_the_same_commit_on_a_base_that_moved_is_a_new_approval() -> None:
    got = submit(proposal(), target(C), [opened()], new_id=2, now=NOW)
    assert (got.approval.id, got.approval.base) == (2, C)
    assert [one.state for one in got.ended] == ["superseded"]


def test_one_whose_time_is_over_expires_and_is_not_superseded() -> None:
    got = submit(proposal(), target(), [opened()], new_id=2, now=NOW + TTL_S)
    assert got.approval.id == 2
    assert [one.state for one in got.ended] == ["expired"]


@pytest.mark.parametrize(
    ("one", "of", "words"),
    [
        (proposal("main"), target(), "not a full hash of 40 digits"),
        (proposal(A[:12]), target(), "not a full hash of 40 digits"),
        (proposal("A" * 40), target(), "not a full hash of 40 digits"),
        (proposal(A + "\n"), target(), "not a full hash of 40 digits"),
        (proposal(None), target(), "not a full hash of 40 digits"),
        (proposal(A), target(), "runs already: there is nothing to approve"),
        (
            proposal(),
            target(quarantine="it never answered"),
            "in quarantine, because it failed: it",
        ),
        (proposal(), Target(False), "there is no agent 'worker': propose its spawn first"),
        (proposal(kind=ApprovalKind.SPAWN), target(), "there is an agent 'worker' already"),
        (proposal(kind=ApprovalKind.PURGE), target(), "leave the commit out"),
        (proposal(description="x" * (MOST_TEXT + 1)), target(), "at most 4000 are allowed"),
    ],
)
def test_what_cannot_be_proposed(one: Proposal, of: Target, words: str) -> None:
    with pytest.raises(ProposalRefused, match=words):
        submit(one, of, (), new_id=1, now=NOW)


def test_what_was_denied_or_failed_only_the_operator_proposes_again() -> None:
    denied = deny(opened(), by="operator", now=NOW, note="too dear")
    with pytest.raises(
        ProposalRefused, match=r"has denied commit bbbbbbbbbbbb \(too dear\): propose a"
    ):
        submit(proposal(), target(), [denied], new_id=2, now=NOW)
    own = proposal(by="operator")
    assert submit(own, target(quarantine="crashed"), [denied], new_id=2, now=NOW).approval.id == 2
    assert submit(proposal(C), target(), [denied], new_id=2, now=NOW).approval.commit == C


def test_open_ones_are_capped_and_what_they_replace_makes_room() -> None:
    own = [opened(id_=n, agent=f"agent-{n}") for n in range(MOST_OPEN_OF_ONE)]
    with pytest.raises(ProposalRefused, match="20 proposals of manager are open, more than 20"):
        submit(proposal(), target(), own, new_id=99, now=NOW)
    assert submit(proposal(C, agent="agent-3"), target(), own, new_id=99, now=NOW).ended
    assert submit(proposal(), target(), own, new_id=99, now=NOW + TTL_S).approval.id == 99
    many = [opened(id_=n, agent=f"agent-{n}", by=f"by-{n}") for n in range(MOST_OPEN)]
    with pytest.raises(ProposalRefused, match="100 proposals are open in this hive"):
        submit(proposal(), target(), many, new_id=199, now=NOW)


def test_it_is_approved_on_the_base_that_the_operator_saw() -> None:
    got = approve(opened(), target(), by="operator", new_id=2, now=NOW + 1, note="fine")
    assert (got.approval.state, got.approval.note, got.instead) == ("approved", "fine", None)
    assert got.approval.ended_at is None


def test_on_a_base_that_moved_it_comes_back_as_a_new_difference() -> None:
    seen = ChangedField("may_send", KeyClass.HOT)
    got = approve(
        opened(description="why"), target(C, fields=(seen,)), by="operator", new_id=2, now=NOW + 1
    )
    assert got.approval.state == "superseded"
    assert "approval 2 shows the new difference" in got.approval.note
    assert got.instead is not None
    again = got.instead
    assert (again.id, again.state, again.base, again.commit) == (2, "open", C, B)
    assert (again.fields, again.by, again.description) == ((seen,), "manager", "why")
    assert approve(again, target(C), by="operator", new_id=3, now=NOW + 2).instead is None


def test_on_a_base_that_moved_to_the_commit_itself_nothing_is_left_to_approve() -> None:
    got = approve(opened(), target(B), by="operator", new_id=2, now=NOW)
    assert (got.approval.state, got.instead) == ("superseded", None)


def test_a_purge_looks_at_no_base() -> None:
    purge = opened(None, kind=ApprovalKind.PURGE)
    assert approve(purge, target(C), by="operator", new_id=2, now=NOW).approval.state == "approved"


def test_it_is_decided_once_by_the_operator_and_in_time() -> None:
    one = opened()
    yes = approve(one, target(), by="operator", new_id=2, now=NOW).approval
    no = deny(one, by="operator", now=NOW)
    assert (no.state, no.ended_at) == ("denied", NOW)
    for over in yes, no:
        with pytest.raises(ApprovalOver, match=f"approval 1 is {over.state} and is decided once"):
            approve(over, target(), by="operator", new_id=2, now=NOW)
        with pytest.raises(ApprovalOver):
            deny(over, by="operator", now=NOW)
    with pytest.raises(ApprovalOver, match="approval 1 has expired"):
        approve(one, target(), by="operator", new_id=2, now=NOW + TTL_S)
    with pytest.raises(ApprovalOver, match="only the operator decides"):
        approve(one, target(), by="manager", new_id=2, now=NOW)
    with pytest.raises(ApprovalOver, match="shorten it to 4000"):
        deny(one, by="operator", now=NOW, note="x" * 4001)


def test_what_vanished_cannot_be_approved_but_denied() -> None:
    with pytest.raises(ApprovalOver, match=r"does not exist any more\. It can be denied"):
        approve(opened(), Target(False), by="operator", new_id=2, now=NOW)
    spawn = submit(proposal(kind=ApprovalKind.SPAWN), Target(False), (), new_id=1, now=NOW).approval
    with pytest.raises(ApprovalOver, match="agent 'worker' exists already"):
        approve(spawn, target(), by="operator", new_id=2, now=NOW)
    assert deny(spawn, by="operator", now=NOW).state == "denied"


def test_those_whose_time_is_over_expire_and_only_those() -> None:
    old, new = opened(), evolve(opened(id_=2), expires_at=NOW + 9 * 86400)
    done = evolve(old, id=3, state=ApprovalState.DEPLOYED)
    got = expired([old, new, done], NOW + TTL_S)
    assert [(one.id, one.state, one.ended_at) for one in got] == [(1, "expired", NOW + TTL_S)]


def test_no_approval_is_used_twice() -> None:
    one = approve(opened(), target(), by="operator", new_id=2, now=NOW).approval
    for state in ApprovalState.BUILDING, ApprovalState.FAILED, ApprovalState.REVERTED:
        one = progressed(one, state, now=NOW + 5, note="why")
    assert (one.state, one.ended_at, one.note) == ("reverted", NOW + 5, "why")
    assert progressed(one, ApprovalState.REVERTED, now=NOW + 6) is one
    for state in ApprovalState.APPROVED, ApprovalState.BUILDING, ApprovalState.DEPLOYED:
        with pytest.raises(ApprovalOver, match="an approval is used once"):
            progressed(one, state, now=NOW)
