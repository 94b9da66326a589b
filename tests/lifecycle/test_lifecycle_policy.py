"""Verbs and what they change, what the hive does by itself, how an agent is drained."""

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from hive.deployments import (
    Begin,
    Deployment,
    DeploymentRequest,
    DeploymentState,
    Moment,
    Quarantined,
    StartContainer,
    StepDone,
    StopContainer,
    ask,
    step,
)
from hive.lifecycle import (
    AgentLife,
    DrainStep,
    Observed,
    Verb,
    VerbOrder,
    VerbRefused,
    Wanted,
    WantedState,
    act,
    drain,
    on_time,
    purge_completed,
    reconcile,
    verbs,
)
from hive.wire.states import AgentState

NOW = 1_000_000.0
AT = Moment(NOW, 1.0)
A, B = "a" * 40, "b" * 40


def deployment(state: DeploymentState = DeploymentState.DEPLOYED) -> Deployment:
    one = ask(None, DeploymentRequest("worker", A, "operator"), AT).record
    one = step(one, Begin(), AT).record
    while one.state is not state:
        one = step(one, StepDone(one.attempt), AT).record
    return one


def life(wanted: WantedState = WantedState.RUNNING, **changes: Any) -> AgentLife:
    one = AgentLife(
        "worker",
        Wanted(wanted, "operator", NOW),
        Observed(AgentState.RUNNING, NOW),
        deployment(),
    )
    return evolve(one, **changes)


def absent() -> AgentLife:
    seen = Observed(AgentState.STOPPED, NOW)
    return life(WantedState.ABSENT, observed=seen, deployment=None)


def order(verb: Verb, **changes: Any) -> VerbOrder:
    return evolve(VerbOrder(verb, "operator"), **changes)


def request(commit: str = B, **changes: Any) -> DeploymentRequest:
    return evolve(DeploymentRequest("worker", commit, "operator"), **changes)


def test_an_operator_spawns_in_one_step_and_an_agent_in_two() -> None:
    one = act(absent(), order(Verb.SPAWN, request=request(A)), AT).life
    assert one.wanted.state == "running"
    assert one.deployment is not None and one.deployment.state == "queued"
    draft = act(absent(), VerbOrder(Verb.INIT, "manager"), AT).life
    assert (draft.wanted.state, draft.deployment) == ("draft", None)
    two = act(draft, VerbOrder(Verb.APPLY, "manager", request=request(A)), AT).life
    assert (two.wanted.state, two.wanted.by) == ("running", "manager")


def test_each_change_carries_who_why_when_and_until() -> None:
    until = NOW + 60
    one = act(life(), VerbOrder(Verb.PAUSE, "manager", "too loud", until), AT).life
    assert one.wanted == Wanted(WantedState.PAUSED, "manager", NOW, "too loud", until)
    assert on_time(one, NOW + 59) is one
    after = on_time(one, until).wanted
    assert (after.state, after.by, after.reason) == (
        "running",
        "hive",
        "the end of: paused by manager",
    )


def test_pause_leaves_the_container_and_stop_ends_it() -> None:
    paused = act(life(), order(Verb.PAUSE), AT)
    assert (paused.work, reconcile(paused.life)) == ((), None)
    stopped = act(life(), order(Verb.STOP), AT)
    assert stopped.work == (StopContainer(300.0),)
    assert reconcile(stopped.life) == StopContainer(300.0), "also after a crash before the stop"
    assert act(life(), order(Verb.STOP, drain=False), AT).work == (StopContainer(0.0),)


def test_restart_stops_and_starts_what_is_deployed() -> None:
    got = act(life(), order(Verb.RESTART), AT)
    assert got.work == (StopContainer(300.0), StartContainer(A))
    assert got.life.wanted == life().wanted


def test_destroy_keeps_a_tombstone_that_can_be_revived_or_purged() -> None:
    tomb = act(life(), order(Verb.DESTROY), AT)
    assert tomb.life.deployment == life().deployment
    assert verbs(tomb.life) == (Verb.REVIVE, Verb.PURGE, Verb.EXPORT)
    again = act(tomb.life, order(Verb.REVIVE), AT).life
    stopped = evolve(again, observed=Observed(AgentState.STOPPED, NOW))
    assert reconcile(stopped) == StartContainer(A)
    with pytest.raises(VerbRefused, match="Say it a second time to confirm, or export it first"):
        act(tomb.life, order(Verb.PURGE), AT)
    purged = act(tomb.life, order(Verb.PURGE, confirmed=True), AT).life
    assert (purged.wanted.state, purged.deployment) == ("purged", None)
    assert purge_completed(purged, NOW).wanted.state == "absent"
    assert purge_completed(tomb.life, NOW) is tomb.life


def test_what_has_been_reached_is_not_refused() -> None:
    for verb, wanted in (
        (Verb.START, WantedState.RUNNING),
        (Verb.UNPAUSE, WantedState.RUNNING),
        (Verb.STOP, WantedState.STOPPED),
        (Verb.DESTROY, WantedState.TOMBSTONE),
    ):
        one = life(wanted)
        assert act(one, order(verb), AT).life is one


def test_what_is_refused_names_what_is_allowed() -> None:
    paused = act(life(), VerbOrder(Verb.PAUSE, "manager", "too loud"), AT).life
    with pytest.raises(VerbRefused) as caught:
        act(paused, order(Verb.REVIVE), AT)
    assert str(caught.value) == (
        "revive is not possible for worker: it is paused (by manager: too loud), and its newest "
        "deployment is deployed. Allowed: apply, rebuild, pause, unpause, stop, restart, destroy, "
        "export"
    )


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (order(Verb.APPLY), "apply needs a commit"),
        (order(Verb.APPLY, request=request(agent="other")), "the commit is one of other"),
        (order(Verb.PAUSE, until=NOW), "would be over already"),
        (order(Verb.STOP, until=float("nan")), "would be over already"),
        (order(Verb.DESTROY, until=NOW + 9), "only pause and stop can have one"),
    ],
)
def test_what_an_order_lacks(one: VerbOrder, words: str) -> None:
    with pytest.raises(VerbRefused, match=words):
        act(life(), one, AT)


def test_a_commit_in_quarantine_is_applied_by_hand_only() -> None:
    with pytest.raises(Quarantined):
        act(life(), order(Verb.APPLY, request=request()), AT, quarantine="crashed")
    one = act(life(), order(Verb.APPLY, request=request(by_hand=True)), AT, quarantine="crashed")
    assert one.life.deployment is not None and one.life.deployment.commit == B


def test_start_tries_at_once_what_the_supervisors_have_given_up() -> None:
    parked = life(observed=Observed(AgentState.PARKED, NOW, reason="login required"))
    assert Verb.START in verbs(parked) and Verb.START not in verbs(life())
    assert reconcile(parked) is None, "nothing relaunches without end"
    assert act(parked, order(Verb.START), AT).work == (StartContainer(A),)


@pytest.mark.parametrize("state", [DeploymentState.STOPPING, DeploymentState.STARTING])
def test_a_container_in_transition_is_its_deployments_alone(state: DeploymentState) -> None:
    one = life(deployment=deployment(state), observed=Observed(AgentState.STOPPED, NOW))
    assert reconcile(one) is None
    assert not {Verb.RESTART, Verb.START} & set(verbs(one))
    assert Verb.CANCEL in verbs(one)


def test_after_a_reboot_each_comes_back_as_it_was() -> None:
    down = Observed(AgentState.STOPPED, NOW)
    for wanted, todo in (
        (WantedState.RUNNING, StartContainer(A)),
        (WantedState.PAUSED, StartContainer(A)),
        (WantedState.STOPPED, None),
        (WantedState.TOMBSTONE, None),
    ):
        assert reconcile(life(wanted, observed=down)) == todo


# -- draining -------------------------------------------------------------------------------------


def test_a_turn_may_finish_then_it_is_interrupted_then_it_ends() -> None:
    assert [drain(True, s, 300.0).step for s in (0.0, 299.0, 300.0, 309.0, 310.0)] == [
        DrainStep.WAIT,
        DrainStep.WAIT,
        DrainStep.INTERRUPT,
        DrainStep.INTERRUPT,
        DrainStep.STOP,
    ]
    assert drain(False, 0.0, 300.0).step is DrainStep.STOP
    assert drain(True, 0.0, 0.0).step is DrainStep.INTERRUPT, "--now"


@given(drain_s=st.floats(0, 1e4), in_turn=st.lists(st.booleans(), min_size=3, max_size=3))
def test_a_drain_comes_to_its_end(drain_s: float, in_turn: list[bool]) -> None:
    waited = 0.0
    for busy in in_turn:
        now = drain(busy, waited, drain_s)
        if now.step is DrainStep.STOP:
            return
        assert busy and now.for_s > 0
        waited += now.for_s
    assert drain(True, waited + 1e-6, drain_s).step is DrainStep.STOP
