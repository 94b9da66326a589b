"""A deployment, step by step: the proof, the way back, outside causes, and who comes in between."""

from typing import Any

import pytest
from attrs import evolve

from hive.approvals import ApprovalState
from hive.deployments import (
    ApplyHot,
    Begin,
    Build,
    CancelDeployment,
    Cause,
    Deployment,
    DeploymentLimits,
    DeploymentRequest,
    DeploymentState,
    LiftQuarantine,
    Moment,
    Preempted,
    Prove,
    Quarantine,
    Quarantined,
    SetApproval,
    StartContainer,
    StepDeadline,
    StepDone,
    StepFailed,
    Stepped,
    StopContainer,
    Tag,
    Tell,
    ask,
    is_due,
    rebuild_commit,
    resume,
    step,
    time_for,
    work,
)

NOW = 1_000_000.0
OLD, NEW, NEWER = "a" * 40, "b" * 40, "c" * 40
LIMITS = DeploymentLimits()
AT = Moment(NOW, worked_s=2.0)


def request(commit: str = NEW, **changes: Any) -> DeploymentRequest:
    return evolve(DeploymentRequest("worker", commit, "manager", 5), **changes)


def deployed() -> Deployment:
    """An agent whose first deployment went well."""
    one = ask(None, request(OLD, approval=None), AT).record
    return done(step(one, Begin(), AT).record, DeploymentState.DEPLOYED)


def done(record: Deployment, until: DeploymentState) -> Deployment:
    """The record, after one step after the other was done until that state."""
    for _ in range(9):
        if record.state is until:
            return record
        record = step(record, StepDone(record.attempt), AT).record
    raise AssertionError(f"it is {record.state} and not {until}")


def at(state: DeploymentState, before: Deployment | None = None, **changes: Any) -> Deployment:
    """A deployment of NEW in that state on its way to be deployed."""
    one = ask(before, request(**changes), AT).record
    if state is DeploymentState.QUEUED:
        return one
    return done(step(one, Begin(), AT).record, state)


def fails(one: Deployment, cause: Cause = Cause.OWN, reason: str = "it broke") -> Stepped:
    return step(one, StepFailed(one.attempt, cause, reason), AT)


def told(after: Stepped) -> dict[str, str]:
    return {one.to: one.text for one in after.joined if isinstance(one, Tell)}


def of_kind(after: Stepped, *kinds: type) -> list[object]:
    return [one for one in after.joined if isinstance(one, kinds)]


BUILDING, STOPPING = DeploymentState.BUILDING, DeploymentState.STOPPING
STARTING, PROVING = DeploymentState.STARTING, DeploymentState.PROVING
STEPS = (BUILDING, STOPPING, STARTING, PROVING)


# -- forward --------------------------------------------------------------------------------------


def test_the_way_of_a_commit_that_works() -> None:
    one = at(BUILDING, deployed())
    assert work(one) == (Tag("building/5", NEW, ""), Build(NEW))
    one = done(one, STOPPING)
    assert work(one) == (StopContainer(LIMITS.drain_s),)
    one = done(one, STARTING)
    assert work(one) == (StartContainer(NEW, one.generation),)
    after = step(one, StepDone(one.attempt), AT)
    assert list(told(after)) == ["worker"]
    assert "Your session and your notes are intact" in told(after)["worker"]
    one = after.record
    assert work(one) == (StartContainer(NEW, one.generation), Prove(NOW, LIMITS.stay_up_s))
    assert one.last_deployed == OLD, "not before it is proven"
    after = step(one, StepDone(one.attempt), AT)
    assert of_kind(after, SetApproval) == [SetApproval(5, ApprovalState.DEPLOYED, "")]
    assert list(told(after)) == ["manager"]
    assert (after.record.state, after.record.last_deployed) == ("deployed", NEW)
    assert work(after.record) == (Tag("deployed/5", NEW, ""),)
    settled = step(after.record, StepDone(after.record.attempt), AT).record
    assert settled.settled and work(settled) == ()


def test_a_hot_change_stops_nothing() -> None:
    one = at(PROVING, deployed(), hot=True)
    assert work(one) == (ApplyHot(NEW),)
    assert not one.in_transition
    assert done(one, DeploymentState.DEPLOYED).last_deployed == NEW
    back = fails(one).record
    assert work(back) == (ApplyHot(OLD),)
    waits = fails(back).record
    assert (waits.state, waits.retry_at is not None) == ("reverting", True)


@pytest.mark.parametrize("state", [STOPPING, STARTING, PROVING])
def test_a_change_is_hot_only_where_the_agent_runs_what_it_was_compared_with(
    state: DeploymentState,
) -> None:
    one = fails(at(state, deployed()), Cause.DISK).record
    newer = ask(one, request(NEWER, approval=6, hot=True), AT).record
    assert (newer.state, newer.request.hot) == ("queued", False)
    assert not ask(None, request(hot=True), AT).record.request.hot


def test_now_does_not_wait_for_the_turn() -> None:
    one = at(STOPPING, deployed(), drain=False)
    assert work(one) == (StopContainer(0.0),)
    slow = at(STOPPING, deployed())
    hurried = ask(slow, request(drain=False), AT).record
    assert work(hurried) == (StopContainer(0.0),)
    assert hurried.attempt != slow.attempt, "the stop that waits is begun anew"


# -- back -----------------------------------------------------------------------------------------


def test_what_fails_before_anything_was_touched_leaves_the_agent_alone() -> None:
    after = fails(at(BUILDING, deployed()))
    assert after.record.state == "reverted"
    assert of_kind(after, Quarantine) == [Quarantine("worker", NEW, "it broke")]
    assert of_kind(after, SetApproval) == [SetApproval(5, ApprovalState.FAILED, "it broke")]
    assert list(told(after)) == ["operator", "manager"]
    assert "goes on with aaaaaaaaaaaa" in told(after)["operator"]


@pytest.mark.parametrize("state", [STARTING, PROVING])
def test_what_is_not_proven_goes_back_without_a_proof(state: DeploymentState) -> None:
    one = at(state, deployed())
    after = fails(one)
    back = after.record
    assert back.state == "reverting"
    assert of_kind(after, Quarantine) == [Quarantine("worker", NEW, "it broke")]
    assert work(back) == (Build(OLD), StartContainer(OLD, back.generation))
    assert back.generation > one.generation, "also what runs of the same commit is ended"
    after = step(back, StepDone(back.attempt), AT)
    assert (after.record.state, after.record.last_deployed) == ("reverted", OLD)
    assert of_kind(after, SetApproval) == [SetApproval(5, ApprovalState.REVERTED, "it broke")]
    assert "set back to configuration aaaaaaaaaaaa (it broke)" in told(after)["worker"]


@pytest.mark.parametrize("state", [BUILDING, STARTING, PROVING])
def test_the_first_has_nothing_to_return_to(state: DeploymentState) -> None:
    after = fails(at(state))
    assert (after.record.state, after.record.reason) == ("failed", "it broke")
    assert "There is nothing to return to" in told(after)["operator"]
    assert "`hive rebuild worker` tries this one again" in told(after)["operator"]
    assert work(after.record) == (StopContainer(0.0), Tag("failed/5", NEW, "it broke"))
    assert rebuild_commit(after.record) == NEW
    with pytest.raises(Quarantined):
        ask(after.record, request(), AT, "it broke")


def test_a_way_back_that_fails_by_itself_strands_the_agent() -> None:
    after = fails(fails(at(PROVING, deployed())).record, reason="no output")
    one = after.record
    assert (one.state, one.last_deployed) == ("stranded", OLD)
    assert one.reason == "it broke; then the last deployed commit failed: no output"
    assert "`hive rebuild worker`" in told(after)["operator"]
    assert work(one)[0] == StopContainer(0.0)
    again = ask(one, request(rebuild_commit(one), approval=None), AT).record
    assert (again.state, again.commit, again.touched) == ("queued", OLD, True)


def test_a_rebuild_that_fails_puts_nothing_into_quarantine() -> None:
    one = at(PROVING, deployed(), commit=OLD, approval=None)
    after = fails(one)
    assert of_kind(after, Quarantine) == []
    assert work(after.record) == (Build(OLD), StartContainer(OLD, after.record.generation))


def test_what_was_in_quarantine_and_works_after_all_leaves_it() -> None:
    with pytest.raises(Quarantined, match="only the operator tries this one again"):
        ask(deployed(), request(), AT, "it broke")
    by_hand = done(
        step(ask(deployed(), request(by_hand=True), AT, "it broke").record, Begin(), AT).record,
        PROVING,
    )
    after = step(by_hand, StepDone(by_hand.attempt), AT)
    assert of_kind(after, LiftQuarantine) == [LiftQuarantine("worker", NEW)]


# -- outside causes -------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STEPS)
@pytest.mark.parametrize("cause", [Cause.API, Cause.DISK, Cause.REGISTRY, Cause.HOST])
def test_an_outside_cause_is_waited_for(state: DeploymentState, cause: Cause) -> None:
    one = at(state, deployed())
    after = fails(one, cause, "it is down")
    waits = after.record
    assert (waits.state, work(waits), after.joined) == (state, (), ())
    assert waits.outage is not None
    assert (waits.outage.cause, waits.outage.reason) == (cause, "it is down")
    assert waits.retry_at is not None and waits.retry_at > NOW
    assert step(waits, Begin(), AT).record == waits, "not before it is due"
    again = step(waits, Begin(), evolve(AT, now=waits.retry_at)).record
    assert (again.retry_at, work(again)) == (None, work(one))


def test_waits_grow_to_a_cap_and_somebody_is_told_once() -> None:
    one, now = at(BUILDING, deployed()), NOW
    waits, messages = [], []
    for _ in range(60):
        after = step(one, StepFailed(one.attempt, Cause.API, "503"), Moment(now, chance=0.0))
        messages += after.joined
        assert after.record.retry_at is not None
        waits.append(after.record.retry_at - now)
        now = after.record.retry_at
        one = step(after.record, Begin(), Moment(now)).record
    assert waits == sorted(waits) and waits[0] == 5.0 and waits[-1] == LIMITS.backoff.max
    assert [one.to for one in messages if isinstance(one, Tell)] == ["operator", "manager"]
    assert "for 6 h" in getattr(messages[0], "text", "")
    assert done(one, DeploymentState.DEPLOYED).outage is None, "it is not lost"


def test_chance_takes_a_part_of_the_wait() -> None:
    one = at(BUILDING)
    times = [
        step(one, StepFailed(one.attempt, Cause.API, ""), Moment(NOW, chance=chance)).record
        for chance in (0.0, 0.5, 0.99)
    ]
    assert len({one.retry_at for one in times}) == 3


def test_a_way_back_that_fails_of_an_outside_cause_goes_on() -> None:
    back = fails(at(PROVING, deployed())).record
    waits = fails(back, Cause.REGISTRY, "down").record
    assert (waits.state, waits.reason) == ("reverting", "it broke")
    assert waits.retry_at is not None
    again = step(waits, Begin(), Moment(waits.retry_at)).record
    assert done(again, DeploymentState.REVERTED).reason == "it broke"


def test_that_the_old_container_does_not_stop_is_not_the_new_commits_fault() -> None:
    for after in (
        fails(at(STOPPING, deployed())),
        step(one := at(STOPPING, deployed()), StepDeadline(one.attempt), AT),
    ):
        assert (after.record.state, after.record.retry_at is not None) == ("stopping", True)


def test_a_tag_that_cannot_be_written_waits() -> None:
    one = at(DeploymentState.DEPLOYED, deployed())
    waits = fails(one).record
    assert (waits.state, waits.last_deployed, waits.settled) == ("deployed", NEW, False)
    assert waits.retry_at is not None
    assert work(step(waits, Begin(), Moment(waits.retry_at)).record) == work(one)


# -- deadlines ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "seconds"), [(BUILDING, 600), (STOPPING, 360), (STARTING, 60), (PROVING, 910)]
)
def test_each_step_has_a_deadline(state: DeploymentState, seconds: float) -> None:
    one = at(state, deployed())
    assert time_for(one) == seconds
    if state is not STOPPING:
        after = step(one, StepDeadline(one.attempt), AT)
        assert f"not done with {state} in {seconds} s" in after.record.reason


def test_the_whole_has_a_deadline_and_waits_do_not_count() -> None:
    one = at(BUILDING, deployed())
    waits = step(one, StepFailed(one.attempt, Cause.API, ""), Moment(NOW, worked_s=500.0)).record
    one = step(waits, Begin(), Moment(NOW + 1e6)).record
    assert time_for(one) == LIMITS.build_s
    one = step(one, StepDone(one.attempt), Moment(NOW + 1e6, worked_s=590.0)).record
    one = step(one, StepDone(one.attempt), Moment(NOW + 1e6, worked_s=350.0)).record
    one = step(one, StepDone(one.attempt), Moment(NOW + 1e6, worked_s=50.0)).record
    assert (one.state, time_for(one)) == ("proving", 1800 - 990)
    late = step(one, StepDeadline(one.attempt), Moment(NOW + 1e6))
    assert "which makes 1800 s with the steps before" in late.record.reason


def test_a_machine_that_slept_has_failed_nobody() -> None:
    """The loop's clock stood still: only what it counts is held against the commit."""
    one = at(PROVING, deployed())
    after = step(one, StepDone(one.attempt), Moment(NOW + 8 * 3600, worked_s=20.0))
    assert after.record.state == "deployed"
    assert time_for(after.record) == LIMITS.stop_s


def test_a_deadline_in_an_outage_blames_the_outage() -> None:
    one = at(PROVING, deployed())
    waits = step(one, StepDeadline(one.attempt, Cause.API), AT).record
    assert (waits.state, waits.retry_at is not None) == ("proving", True)


# -- crashes and late reports ---------------------------------------------------------------------


@pytest.mark.parametrize("state", [*STEPS, DeploymentState.DEPLOYED])
def test_a_new_daemon_begins_the_step_anew(state: DeploymentState) -> None:
    one = at(state, deployed())
    after = resume(one, AT)
    assert work(after.record) == work(one), "the proof still counts turns since it began"
    assert (after.record.state, after.joined) == (state, ())
    assert step(after.record, StepDone(one.attempt), AT).record == after.record, "of the dead one"


def test_a_new_daemon_leaves_alone_what_waits_and_what_is_done() -> None:
    queued, waits = at(DeploymentState.QUEUED), fails(at(BUILDING), Cause.API).record
    settled = evolve(at(DeploymentState.DEPLOYED), settled=True)
    for one in queued, waits, settled:
        assert resume(one, AT).record == one


def test_a_clock_that_was_set_back_makes_no_wait_longer() -> None:
    waits = fails(at(BUILDING), Cause.API).record
    assert not is_due(waits, NOW)
    assert is_due(waits, NOW - 1e7)
    assert work(step(waits, Begin(), Moment(NOW - 1e7)).record)


def test_a_step_in_which_the_daemon_dies_again_and_again_waits() -> None:
    one = at(BUILDING, deployed())
    for _ in range(3):
        one = resume(one, AT).record
        assert work(one)
    one = resume(one, AT).record
    assert one.outage is not None and one.retry_at is not None
    assert one.outage.reason == "the daemon ended 4 times while it was building"


@pytest.mark.parametrize("state", STEPS)
def test_a_report_of_an_attempt_that_is_over_changes_nothing(state: DeploymentState) -> None:
    one = at(state, deployed())
    for late in StepDone(one.attempt - 1), StepFailed(one.attempt - 1, Cause.OWN, "?"):
        assert step(one, late, AT) == Stepped(one)
    assert step(one, StepDeadline(one.attempt + 1), AT) == Stepped(one)
    assert step(one, Begin(), AT) == Stepped(one), "it is begun already"


# -- who comes in between -------------------------------------------------------------------------


@pytest.mark.parametrize("state", [DeploymentState.QUEUED, BUILDING, PROVING])
def test_a_newer_approval_replaces_an_older_one_at_once(state: DeploymentState) -> None:
    after = ask(at(state, deployed()), request(NEWER, approval=6), AT)
    one = after.record
    assert (one.state, one.commit, one.previous) == ("queued", NEWER, OLD)
    assert one.touched == (state is PROVING)
    note = f"replaced by commit {NEWER[:12]}, which manager asked for"
    assert after.joined == (SetApproval(5, ApprovalState.SUPERSEDED, note),)


@pytest.mark.parametrize("state", [STOPPING, STARTING])
def test_a_newer_approval_waits_until_the_agent_is_up(state: DeploymentState) -> None:
    one = ask(at(state, deployed()), request(NEWER, approval=6), AT).record
    assert (one.state, one.commit) == (state, NEW)
    for _ in range(2):
        one = one if one.commit == NEWER else step(one, StepDone(one.attempt), AT).record
    assert (one.state, one.commit, one.touched) == ("queued", NEWER, True)
    assert done(step(one, Begin(), AT).record, STOPPING), "what runs unproven is stopped"


@pytest.mark.parametrize("state", STEPS)
def test_a_newer_approval_waits_for_no_outside_cause(state: DeploymentState) -> None:
    waits = fails(at(state, deployed()), Cause.REGISTRY).record
    assert ask(waits, request(NEWER, approval=6), AT).record.commit == NEWER
    back = fails(at(PROVING, deployed())).record
    waits = fails(back, Cause.REGISTRY).record
    assert ask(waits, request(NEWER, approval=6), AT).record.commit == NEWER


def test_an_approval_while_a_revert_runs_comes_after_it() -> None:
    back = fails(at(PROVING, deployed())).record
    one = ask(back, request(NEWER, approval=6), AT).record
    assert (one.state, one.commit) == ("reverting", NEW)
    after = step(one, StepDone(one.attempt), AT)
    assert (after.record.state, after.record.commit) == ("queued", NEWER)
    assert SetApproval(5, ApprovalState.REVERTED, "it broke") in after.joined
    stranded = fails(one).record
    assert (stranded.state, stranded.commit) == ("queued", NEWER)


def test_of_several_that_wait_the_newest_stays() -> None:
    one = ask(at(STARTING, deployed()), request(NEWER, approval=6), AT).record
    after = ask(one, request("d" * 40, approval=7), AT)
    assert after.record.next is not None and after.record.next.approval == 7
    assert [one.approval for one in after.joined if isinstance(one, SetApproval)] == [6]


def test_the_same_commit_is_deployed_once_and_tried_at_once() -> None:
    one = at(BUILDING, deployed())
    assert ask(one, request(approval=None), AT) == Stepped(one)
    waits = fails(one, Cause.API).record
    hurried = ask(waits, request(approval=None), AT).record
    assert hurried.retry_at == NOW
    assert step(hurried, Begin(), AT).record.retry_at is None


@pytest.mark.parametrize("state", [BUILDING, STOPPING, STARTING, PROVING])
def test_a_stop_puts_it_back_into_the_queue(state: DeploymentState) -> None:
    after = step(at(state, deployed()), Preempted("stop by operator", ends=True), AT)
    one = after.record
    assert (one.state, one.commit, one.touched, one.last_deployed) == ("queued", NEW, False, OLD)
    assert after.joined == (SetApproval(5, ApprovalState.APPROVED, "stop by operator"),)


@pytest.mark.parametrize("state", [STOPPING, STARTING, PROVING])
def test_a_pause_brings_back_the_last_deployed_first(state: DeploymentState) -> None:
    one = step(at(state, deployed()), Preempted("pause by operator", ends=False), AT).record
    assert (one.state, one.cause) == ("reverting", None)
    after = step(one, StepDone(one.attempt), AT)
    assert (after.record.state, after.record.commit) == ("queued", NEW)
    assert not after.record.touched
    assert not of_kind(after, SetApproval), "it is still to come"


def test_a_pause_of_the_first_deployment_puts_it_back_into_the_queue() -> None:
    one = step(at(PROVING), Preempted("pause", ends=False), AT).record
    assert (one.state, one.touched, one.last_deployed) == ("queued", False, None)


def test_a_stop_ends_a_revert_and_a_pause_does_not() -> None:
    back = fails(at(PROVING, deployed())).record
    assert step(back, Preempted("pause", ends=False), AT) == Stepped(back)
    one = step(back, Preempted("stop", ends=True), AT).record
    assert (one.state, one.last_deployed, one.reason) == ("reverted", OLD, "it broke")


def test_who_cancels_blames_nobody() -> None:
    for state in DeploymentState.QUEUED, BUILDING:
        after = step(at(state, deployed()), CancelDeployment("operator"), AT)
        assert (after.record.state, after.record.reason) == ("reverted", "cancelled by operator")
        assert not of_kind(after, Quarantine, Tell)
    after = step(at(PROVING, deployed()), CancelDeployment("operator"), AT)
    assert (after.record.state, of_kind(after, Quarantine)) == ("reverting", [])
    assert step(after.record, CancelDeployment("operator"), AT) == Stepped(after.record)
    first = step(at(PROVING), CancelDeployment("operator"), AT).record
    assert (first.state, first.reason) == ("failed", "cancelled by operator")


def test_who_cancels_gives_up_what_comes_next_too() -> None:
    one = ask(at(STARTING, deployed()), request(NEWER, approval=6), AT).record
    after = step(one, CancelDeployment("operator"), AT)
    assert SetApproval(6, ApprovalState.SUPERSEDED, "cancelled") in after.joined
    assert (after.record.state, after.record.next) == ("reverting", None)


def test_what_is_over_is_not_preempted() -> None:
    one = deployed()
    assert step(one, Preempted("stop", ends=True), AT) == Stepped(one)
    assert step(one, CancelDeployment("operator"), AT) == Stepped(one)
