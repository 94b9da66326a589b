"""Whose deployment begins next, and a rollout: the manager first, a few at once, one summary."""

import os
from typing import Any

from attrs import evolve
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hive.deployments import (
    Begin,
    CancelDeployment,
    Cause,
    Deployment,
    DeploymentRequest,
    DeploymentState,
    Moment,
    Outage,
    Preempted,
    RebuildQueue,
    Rollout,
    StepDone,
    StepFailed,
    Tell,
    ask,
    in_order,
    next_agents,
    next_look,
    observe,
    start_rollout,
    step,
    summary,
    work,
)
from hive.directory import MANAGER

EXAMPLES = int(os.environ.get("STRESS", "60"))
NOW = 1_000_000.0
A, B = "a" * 40, "b" * 40
NAMES = (MANAGER, "ann", "bob", "cid", "dan", "eve", "fay")


def queued(agent: str, since: float = NOW, **changes: Any) -> Deployment:
    request = evolve(DeploymentRequest(agent, B, "operator"), **changes)
    return Deployment(request, A, DeploymentState.QUEUED, since, since)


def working(agent: str, **changes: Any) -> Deployment:
    return evolve(queued(agent, **changes), state=DeploymentState.BUILDING)


def waits(agent: str, retry_at: float, state: DeploymentState) -> Deployment:
    outage = Outage(Cause.API, "503", NOW, 1, retry_at)
    return evolve(queued(agent), state=state, outage=outage)


def queue(*deployments: Deployment, **changes: Any) -> RebuildQueue:
    return evolve(RebuildQueue(deployments, frozenset(NAMES)), **changes)


def test_at_most_so_many_work_at_once_and_whoever_came_first_begins() -> None:
    names = [f"agent-{n}" for n in range(6)]
    waiting = [queued(name, NOW - n) for n, name in enumerate(names)]
    one = queue(*waiting, running=frozenset(names))
    assert next_agents(one, NOW) == ("agent-5", "agent-4", "agent-3", "agent-2")
    busy = queue(*waiting, working("ann"), working("bob"), working("cid"), running=one.running)
    assert next_agents(busy, NOW) == ("agent-5",)
    full = queue(*waiting, *(working(name) for name in "abcd"), running=one.running)
    assert next_agents(full, NOW) == ()


def test_a_hot_change_waits_for_nobody() -> None:
    full = queue(*(working(name) for name in "abcd"), queued("ann", hot=True), queued("bob"))
    assert next_agents(full, NOW) == ("ann",)
    assert next_agents(queue(working("ann", hot=True), queued("bob"), most=1), NOW) == ("bob",)


def test_who_is_stopped_or_paused_begins_nothing() -> None:
    one = queue(queued("ann"), queued("bob", hot=True), running=frozenset())
    assert next_agents(one, NOW) == ()


def test_what_waits_takes_no_room_and_is_tried_again_when_it_is_due() -> None:
    later = waits("ann", NOW + 60, DeploymentState.BUILDING)
    one = queue(later, queued("bob"), most=1)
    assert next_agents(one, NOW) == ("bob",)
    assert next_look(one, NOW) == NOW + 60
    assert next_look(one, NOW + 99) == NOW + 99
    assert next_agents(queue(later, most=1), NOW + 60) == ("ann",)
    assert next_look(queue(queued("bob")), NOW) is None


def test_who_is_down_comes_first_then_single_ones_then_the_rollout() -> None:
    one = queue(
        queued("dan", NOW - 9, rollout=1),
        queued("cid", NOW - 5),
        queued(MANAGER, NOW),
        waits("bob", NOW, DeploymentState.REVERTING),
    )
    assert [each.agent for each in in_order(one)] == ["bob", MANAGER, "cid", "dan"]
    paused = evolve(one, running=frozenset())
    assert next_agents(paused, NOW) == ("bob",), "a way back does not wait for the end of a pause"


# -- a rollout ------------------------------------------------------------------------------------


class Shell:
    """Keeps the records as a shell would, each change in one transaction with the rollout."""

    def __init__(self) -> None:
        self.now = NOW
        self.records: dict[str, Deployment] = {}
        self.running = set(NAMES)
        self.rollout: Rollout | None = None
        self.told: list[Tell] = []
        for name in NAMES:
            first = DeploymentRequest(name, A, "operator")
            self.records[name] = ask(None, first, self.moment).record
            self.do(name, Begin())
            self.finish(name)

    @property
    def moment(self) -> Moment:
        return Moment(self.now, 1.0)

    @property
    def queue(self) -> RebuildQueue:
        return RebuildQueue(
            tuple(self.records.values()), frozenset(self.running), self.rollout, most=2
        )

    def observe(self) -> None:
        self.rollout = observe(self.queue)
        if self.rollout is not None and not self.rollout.pending:
            self.told += summary(self.rollout)
            self.rollout = None

    def do(self, name: str, event: Any) -> None:
        self.records[name] = step(self.records[name], event, self.moment).record
        self.observe()

    def begin(self) -> tuple[str, ...]:
        names = next_agents(self.queue, self.now)
        for name in names:
            self.do(name, Begin())
        return names

    def done(self, name: str) -> None:
        self.do(name, StepDone(self.records[name].attempt))

    def finish(self, name: str) -> None:
        for _ in range(9):
            self.done(name)

    def rebuild_all(self) -> None:
        self.rollout, requests = start_rollout(self.queue, by="ann", new_id=7, now=self.now)
        for one in requests:
            self.records[one.agent] = ask(self.records[one.agent], one, self.moment).record
        self.observe()


def test_the_manager_is_rebuilt_alone_and_then_the_others_a_few_at_a_time() -> None:
    shell = Shell()
    shell.rebuild_all()
    assert shell.begin() == (MANAGER,)
    for state in "building", "stopping", "starting", "proving":
        assert shell.records[MANAGER].state == state
        assert shell.begin() == ()
        shell.done(MANAGER)
    assert shell.begin() == ("ann", "bob")
    shell.finish("ann")
    assert shell.begin() == ("cid",)
    for name in "bob", "cid", "dan", "eve", "fay":
        shell.begin()
        shell.finish(name)
    assert [one.to for one in shell.told] == ["operator", MANAGER, "ann"]
    assert "deployed (7): ann, bob, cid, dan, eve, fay, manager" in shell.told[0].text
    assert shell.rollout is None


def test_one_that_fails_does_not_stop_the_rest_and_is_in_the_summary() -> None:
    shell = Shell()
    shell.rebuild_all()
    shell.begin()
    shell.do(MANAGER, StepFailed(shell.records[MANAGER].attempt, Cause.OWN, "no wake"))
    assert shell.begin() == ("ann", "bob")
    for name in NAMES[1:]:
        shell.begin()
        shell.finish(name)
    assert "reverted (1): manager: no wake" in shell.told[0].text


def test_a_manager_that_waits_for_long_lets_the_others_begin() -> None:
    shell = Shell()
    shell.rebuild_all()
    shell.begin()
    for hours in 0, 7:
        shell.now += hours * 3600
        shell.begin()
        shell.do(MANAGER, StepFailed(shell.records[MANAGER].attempt, Cause.API, "503"))
    assert shell.begin() == ("ann", "bob")
    assert shell.rollout is not None
    assert shell.rollout.outcomes[0].word == "still building"


def test_who_is_stopped_meanwhile_is_not_waited_for() -> None:
    shell = Shell()
    shell.running.discard("fay")
    shell.rebuild_all()
    shell.running.discard("eve")
    shell.do("eve", Preempted("stop", ends=True))
    shell.begin()
    shell.finish(MANAGER)
    for name in "ann", "bob", "cid", "dan":
        shell.begin()
        shell.finish(name)
    text = shell.told[0].text
    assert "left out (2): eve: it was stopped, paused or destroyed meanwhile, fay: it is" in text


def test_a_second_rebuild_of_all_is_the_first() -> None:
    shell = Shell()
    shell.rebuild_all()
    before = shell.records.copy()
    first, again = shell.rollout, start_rollout(shell.queue, by="bob", new_id=8, now=NOW)
    assert again == (first, ())
    assert shell.records == before


def test_an_agent_that_is_deployed_at_that_time_is_part_of_it_with_its_newer_commit() -> None:
    shell = Shell()
    newer = DeploymentRequest("ann", B, "operator", 5)
    shell.records["ann"] = ask(shell.records["ann"], newer, shell.moment).record
    shell.begin()
    attempt = shell.records["ann"].attempt
    shell.rebuild_all()
    one = shell.records["ann"]
    assert (one.commit, one.request.approval, one.request.rollout) == (B, 5, 7)
    assert one.attempt == attempt, "what runs goes on"


def test_a_long_summary_names_the_first_of_each_kind() -> None:
    names = tuple(f"agent-{n:02}" for n in range(50))
    shell_queue = RebuildQueue(
        tuple(evolve(queued(name), state=DeploymentState.DEPLOYED) for name in names),
        frozenset(names),
        Rollout(1, "operator", NOW, names),
    )
    over = observe(shell_queue)
    assert over is not None
    assert summary(over)[0].text.endswith("agent-19 and 30 more (`hive rebuilds`)")


class RolloutMachine(RuleBasedStateMachine):
    """Whatever happens to its agents, a rollout comes to its end, with one outcome for each."""

    def __init__(self) -> None:
        super().__init__()
        self.shell = Shell()

    names = st.sampled_from(NAMES)

    @rule()
    def rebuild_all(self) -> None:
        self.shell.rebuild_all()

    @rule()
    def begin(self) -> None:
        if self.shell.begin():
            # A pause makes an agent go back without asking for room, so only here.
            assert sum(one.is_working for one in self.shell.records.values()) <= 2

    @rule(name=names, times=st.integers(1, 6))
    def goes_on(self, name: str, times: int) -> None:
        for _ in range(times):
            self.shell.done(name)

    @rule(name=names, cause=st.sampled_from((Cause.OWN, Cause.API)))
    def fails(self, name: str, cause: Cause) -> None:
        self.shell.do(name, StepFailed(self.shell.records[name].attempt, cause, "?"))

    @rule(name=names)
    def cancelled(self, name: str) -> None:
        self.shell.do(name, CancelDeployment("operator", name in self.shell.running))

    @rule(name=names, ends=st.booleans())
    def stopped(self, name: str, ends: bool) -> None:
        self.shell.running.discard(name)
        self.shell.do(name, Preempted("stop", ends))

    @rule(name=names)
    def goes_on_again(self, name: str) -> None:
        self.shell.running.add(name)

    @rule(name=names, commit=st.sampled_from((A, B)))
    def newer(self, name: str, commit: str) -> None:
        request = DeploymentRequest(name, commit, "operator")
        records = self.shell.records
        records[name] = ask(records[name], request, self.shell.moment).record
        self.shell.observe()

    @rule(hours=st.sampled_from((0.1, 9.0)))
    def time_passes(self, hours: float) -> None:
        self.shell.now += hours * 3600

    @invariant()
    def each_has_one_outcome(self) -> None:
        rollout = self.shell.rollout
        if rollout is not None:
            names = [*rollout.pending, *(one.agent for one in rollout.outcomes)]
            assert sorted(names) == sorted(set(names))

    def teardown(self) -> None:
        for _ in range(80):
            self.shell.now += 1000
            self.shell.begin()
            for name in NAMES:
                self.shell.done(name)
        assert self.shell.rollout is None, "a rollout that never ends"
        for one in self.shell.records.values():
            assert not work(one)


TestRolloutMachine = RolloutMachine.TestCase
TestRolloutMachine.settings = settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None)
