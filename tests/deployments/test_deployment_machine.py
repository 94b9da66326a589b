"""Random histories of one agent's deployments in a world that crashes between any two effects.

The world does what the docstrings of the effects promise, and nothing else: each makes a condition
true. The daemon that runs them dies at any point, keeps what was committed, and goes on.
"""

import os

from attrs import define, field
from hypothesis import event as note
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hive.approvals import Approval, ApprovalKind, ApprovalState, progressed
from hive.deployments import (
    ApplyHot,
    Begin,
    Build,
    CancelDeployment,
    Cause,
    Deployment,
    DeploymentRequest,
    DeploymentState,
    LiftQuarantine,
    Moment,
    Preempted,
    Prove,
    Quarantine,
    Quarantined,
    RebuildQueue,
    SetApproval,
    StartContainer,
    StepDeadline,
    StepDone,
    StepFailed,
    Stepped,
    StopContainer,
    Tag,
    Tell,
    Work,
    ask,
    next_agents,
    rebuild_commit,
    resume,
    step,
    work,
)

EXAMPLES = int(os.environ.get("STRESS", "150"))
GOOD, HOT, GOOD2, BAD_BUILD, BAD_START, BAD_PROOF = (c * 40 for c in "abcdef")
COMMITS = (GOOD, HOT, GOOD2, BAD_BUILD, BAD_START, BAD_PROOF)
chances = st.sampled_from((True, False, False, False))
UNDER_WAY = (ApprovalState.APPROVED, ApprovalState.BUILDING)


class OwnFault(Exception):
    pass


class Outside(Exception):
    pass


@define
class World:
    """What is really there: it survives every crash of the daemon."""

    outage: bool = False
    container: tuple[str, int | None] | None = None
    """The configuration that it goes by, and its generation."""
    built: set[str] = field(factory=set)
    proven: set[str] = field(factory=set)
    tags: set[str] = field(factory=set)
    running: bool = True
    broken: bool = False
    """What once worked does not start any more."""

    def make_true(self, one: Work) -> None:
        """Raises OwnFault, Outside."""
        match one:
            case Tag():
                self.tags.add(one.name)
            case Build():
                if self.outage and one.commit not in self.built:
                    raise Outside
                if one.commit == BAD_BUILD:
                    raise OwnFault
                self.built.add(one.commit)
            case StopContainer():
                self.container = None
            case StartContainer():
                assert self.running, "a container is started of an agent that is to be stopped"
                if self.container is not None and one.generation in (None, self.container[1]):
                    assert one.generation is None or self.container[0] == one.commit
                    return
                self.container = None
                if one.commit == BAD_START or self.broken:
                    raise OwnFault
                self.container = (one.commit, one.generation)
            case Prove():
                assert self.container is not None
                if self.outage:
                    raise Outside
                if self.container[0] == BAD_PROOF:
                    raise OwnFault
                self.proven.add(self.container[0])
            case ApplyHot():
                if self.outage:
                    raise Outside
                if one.commit in (BAD_BUILD, BAD_START, BAD_PROOF):
                    raise OwnFault
                self.proven.add(one.commit)
                if self.container is not None:
                    self.container = (one.commit, self.container[1])


class DeploymentMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000.0
        self.world = World()
        self.record: Deployment | None = None
        self.paused = False
        self.approvals: dict[int, Approval] = {}
        self.quarantine: set[str] = set()
        self.todo: list[Work] = []  # what is left of the work of `attempt`: in memory only
        self.attempt = -1
        self.old_attempts: set[int] = set()
        self.wakes = 0

    # -- the shell --------------------------------------------------------------------------------

    @property
    def moment(self) -> Moment:
        return Moment(self.now, 1.0)

    def commit(self, after: Stepped) -> None:
        """One transaction, and then new work if the attempt is another one."""
        before = self.record
        for one in after.joined:
            match one:
                case SetApproval():
                    approval = self.approvals[one.approval]
                    self.approvals[one.approval] = progressed(approval, one.state, now=self.now)
                case Quarantine():
                    assert before is not None and one.commit != before.previous
                    self.quarantine.add(one.commit)
                case LiftQuarantine():
                    self.quarantine.discard(one.commit)
                case Tell():
                    assert one.to != "" and one.text[0] != " "
        self.record = after.record
        if before is not None:
            assert self.record.attempt >= before.attempt
            assert self.record.generation >= before.generation
        if self.record.attempt != self.attempt:
            self.old_attempts.add(self.attempt)
            self.attempt = self.record.attempt
            self.todo = list(work(self.record))

    def do(self, event: object) -> None:
        assert self.record is not None
        self.commit(step(self.record, event, self.moment))  # type: ignore[arg-type]

    def reconcile(self) -> None:
        """What the hive does by itself: see `hive.lifecycle.reconcile`."""
        one = self.record
        if one is None or one.in_transition:
            return
        stays = self.world.running and one.state is not DeploymentState.STRANDED
        if not stays or one.last_deployed is None:
            self.world.container = None
        elif self.world.container is None and not self.world.broken:
            self.world.container = (one.last_deployed, None)

    def begin_if_next(self) -> None:
        assert self.record is not None
        running = frozenset({"worker"}) if self.world.running and not self.paused else frozenset()
        if next_agents(RebuildQueue((self.record,), running), self.now):
            self.do(Begin())

    def work_once(self) -> None:
        assert self.record is not None
        if not work(self.record) or self.attempt != self.record.attempt:
            return
        attempt = self.attempt
        try:
            if self.todo:  # a crash may come between the last of it and the report
                self.world.make_true(self.todo[0])
                self.todo.pop(0)
                return
        except OwnFault:
            self.do(StepFailed(attempt, Cause.OWN, "it is broken"))
        except Outside:
            self.do(StepFailed(attempt, Cause.REGISTRY, "nobody answers"))
        else:
            self.do(StepDone(attempt))

    @initialize(deployed=st.sampled_from((True, True, True, False)))
    def begins(self, deployed: bool) -> None:
        if deployed:
            self.approves(GOOD, False, False)
            self.goes_on(30)
            assert self.record is not None and self.record.state is DeploymentState.DEPLOYED

    # -- who asks ---------------------------------------------------------------------------------

    @rule(commit=st.sampled_from(COMMITS), hot=chances, operator=st.booleans())
    def approves(self, commit: str, hot: bool, operator: bool) -> None:
        if self.record is not None and commit == self.record.last_deployed:
            return
        id_ = len(self.approvals) + 1
        by = "operator" if operator else "manager"
        request = DeploymentRequest("worker", commit, by, id_, hot=hot, by_hand=operator)
        why = "it failed" if commit in self.quarantine else None
        try:
            after = ask(self.record, request, self.moment, why)
        except Quarantined:
            assert why is not None and not operator
            return
        self.approvals[id_] = Approval(
            id_,
            ApprovalKind.CONFIGURATION,
            "worker",
            by,
            commit,
            None,
            "",
            (),
            self.now,
            self.now + 1,
            ApprovalState.APPROVED,
        )
        self.commit(after)

    @precondition(lambda self: self.record is not None)
    @rule(operator=st.booleans(), rollout=st.none() | st.just(1))
    def rebuilds(self, operator: bool, rollout: int | None) -> None:
        assert self.record is not None
        commit = rebuild_commit(self.record)
        by = "operator" if operator else "manager"
        request = DeploymentRequest("worker", commit, by, by_hand=operator, rollout=rollout)
        why = "it failed" if commit in self.quarantine else None
        try:
            self.commit(ask(self.record, request, self.moment, why))
        except Quarantined:
            assert self.record.state is DeploymentState.FAILED and not operator

    @precondition(lambda self: self.record is not None)
    @rule(really=st.sampled_from((False, False, False, True)))
    def cancels(self, really: bool) -> None:
        if really:  # most histories go on
            self.do(CancelDeployment("operator", self.world.running))

    @precondition(lambda self: self.record is not None and not self.paused)
    @rule(ends=st.booleans())
    def pauses_or_stops(self, ends: bool) -> None:
        if not self.world.running:
            return
        self.paused = not ends
        self.world.running = not ends
        self.do(Preempted("by the operator", ends))
        self.reconcile()

    @rule()
    def lets_go_on(self) -> None:
        self.world.running, self.paused = True, False

    # -- what happens -----------------------------------------------------------------------------

    @precondition(lambda self: self.record is not None)
    @rule(times=st.integers(1, 9))
    def goes_further(self, times: int) -> None:
        self.goes_on(times)

    @precondition(lambda self: self.record is not None)
    @rule(times=st.sampled_from((1, 1, 2, 3, 30)))
    def goes_on(self, times: int) -> None:
        for _ in range(times):
            self.begin_if_next()
            self.reconcile()
            self.work_once()

    @precondition(lambda self: self.record is not None)
    @rule(cause=st.sampled_from((None, Cause.API)))
    def deadline(self, cause: Cause | None) -> None:
        self.do(StepDeadline(self.attempt, cause))

    @precondition(lambda self: self.record is not None)
    @rule()
    def a_late_report(self) -> None:
        before = self.record
        for attempt in self.old_attempts - {self.attempt}:
            for event in StepDone(attempt), StepFailed(attempt, Cause.OWN, "?"):
                self.do(event)
        assert self.record == before

    @precondition(lambda self: self.record is not None)
    @rule(reboot=st.booleans())
    def crashes(self, reboot: bool) -> None:
        assert self.record is not None
        note(f"crash in {self.record.state}")
        if reboot:
            self.world.container = None
        self.commit(resume(self.record, self.moment))
        self.attempt = self.record.attempt
        self.todo = list(work(self.record))

    @rule(seconds=st.sampled_from((1.0, 600.0, 30_000.0, -3_600.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(outage=st.booleans(), broken=st.booleans())
    def weather(self, outage: bool, broken: bool) -> None:
        self.world.outage, self.world.broken = outage, broken

    # -- what always holds ------------------------------------------------------------------------

    @invariant()
    def only_what_was_proven_is_deployed(self) -> None:
        if self.record is not None and self.record.last_deployed is not None:
            assert self.record.last_deployed in self.world.proven

    @invariant()
    def no_approval_is_lost_or_under_way_twice(self) -> None:
        if self.record is None:
            return
        wanted = {self.record.request.approval} if not self.record.is_over else set()
        if self.record.state is DeploymentState.REVERTING:
            wanted = set()
        if self.record.next is not None:
            wanted.add(self.record.next.approval)
        open_ = {one.id for one in self.approvals.values() if one.state in UNDER_WAY}
        assert open_ == wanted - {None}

    @invariant()
    def what_waits_has_a_time_or_a_turn(self) -> None:
        one = self.record
        if one is not None and not one.settled and not work(one):
            assert one.retry_at is not None or one.state is DeploymentState.QUEUED

    @invariant()
    def untouched_is_the_last_deployed(self) -> None:
        one = self.record
        if one is None or one.touched or self.world.container is None:
            return
        assert self.world.container[0] == one.last_deployed

    @invariant()
    def nothing_waits_behind_what_is_over(self) -> None:
        if self.record is not None and self.record.is_over:
            assert self.record.next is None

    def teardown(self) -> None:
        """When the world is well, whatever was approved comes to its end, and the agent runs."""
        if self.record is None:
            return
        self.world.outage = self.world.broken = False
        self.lets_go_on()
        for _ in range(90):
            self.now += 1000.0
            self.begin_if_next()
            self.reconcile()
            self.work_once()
        one = self.record
        assert one.is_over and one.settled, "it goes on for ever"
        assert not [a for a in self.approvals.values() if a.state in UNDER_WAY]
        if one.request.approval is not None:
            assert any(tag.endswith(f"/{one.request.approval}") for tag in self.world.tags)
        if one.state is DeploymentState.STRANDED:
            self.commit(
                ask(one, DeploymentRequest("worker", rebuild_commit(one), "operator"), self.moment)
            )
            for _ in range(30):
                self.begin_if_next()
                self.work_once()
            one = self.record
        self.reconcile()
        running = None if self.world.container is None else self.world.container[0]
        assert running == one.last_deployed
        assert running is not None or one.state is DeploymentState.FAILED


TestDeploymentMachine = DeploymentMachine.TestCase
TestDeploymentMachine.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=40, deadline=None
)
