"""Random histories of one gate: agents, an API that says anything, an operator, a wrong clock."""

import os

from attrs import define, evolve
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hive.gate.gate import Bucket, Client, Gate, World, gate_of
from hive.gate.holds import hold_in_bucket, hold_of, next_look, statuses
from hive.gate.policy import Admit, GateEvent, Look, NewLogin, Signal, TurnEnd, step
from hive.wire.gates import GateCommand, GateState
from hive.wire.states import Condition
from hive.wire.turns import ApiSignal, Outcome, SignalKind, TurnReport

T0 = 1_000_000.0
NAMES = ("ann", "bob", "cid", "dan", "eve")
MODELS = (None, "opus", "claude-opus-5-5", "sonnet")
WINDOWS = (None, "five_hour", "seven_day", "seven_day_opus", "what_is_this")
STOPS = {
    Outcome.LIMITED,
    Outcome.OVERLOADED,
    Outcome.BILLING,
    Outcome.DISABLED,
    Outcome.NO_MODEL,
    Outcome.NO_CREDITS,
    Outcome.UNREACHABLE,
}
EXAMPLES = int(os.environ.get("STRESS", "60"))

names = st.sampled_from(NAMES)
offsets = st.none() | st.floats(-100, 8 * 86400) | st.just(float("nan"))
chances = st.floats(0, 1, exclude_max=True)


@define
class SimulatedAgent:
    client: Client
    turns: int = 0
    rejected: bool = False
    """Whether a signal of its turn said so."""

    @property
    def lease(self) -> str:
        return f"{self.client.name}-{self.turns}"


class GateMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate("default")
        self.now = T0
        self.agents: dict[str, SimulatedAgent] = {}
        self.refused: set[str] = set()  # leases, since the last answer
        self.chance = 0.0
        self.needed = False

    @property
    def world(self) -> World:
        return World(tuple(one.client for one in self.agents.values()), self.now, self.chance)

    def do(self, event: GateEvent) -> None:
        before = self.gate
        self.gate = step(self.gate, event, self.world)
        self.check_openings(before, event)

    def check_openings(self, before: Gate, event: GateEvent) -> None:
        """Closed opens only by way of a probe, or by the operator."""
        released = isinstance(event, GateCommand) and event.action == "release"
        answer = (isinstance(event, Signal) and event.signal.kind is SignalKind.ANSWERED) or (
            isinstance(event, TurnEnd) and event.report.outcome is Outcome.COMPLETED
        )
        for old in before.buckets:
            new = self.gate.bucket(old.name)
            if not new.lets_through or released:
                continue
            due = old.until is not None and old.until <= self.now
            match old.state:
                case GateState.CLOSED:
                    assert due and answer, "it opened without a probe"
                case GateState.PROBING:
                    assert answer, "it opened without an answer"
                case GateState.HELD:
                    assert due, "a hold ended by itself"

    def busy(self, name: str) -> SimulatedAgent | None:
        agent = self.agents.get(name)
        return agent if agent is not None and agent.client.busy else None

    # -- agents ---------------------------------------------------------------------------------

    @rule(name=names, model=st.sampled_from(MODELS))
    def comes(self, name: str, model: str | None) -> None:
        self.agents.setdefault(name, SimulatedAgent(Client(name, model)))
        self.do(Look())

    @rule(name=names)
    def goes(self, name: str) -> None:
        self.agents.pop(name, None)
        self.do(Look())

    @rule(name=names, count=st.integers(0, 3))
    def gets_work(self, name: str, count: int) -> None:
        if agent := self.agents.get(name):
            since = agent.client.waiting_since or self.now
            agent.client = evolve(agent.client, queued=count, waiting_since=since)
            self.do(Look())

    @rule(name=names)
    def takes(self, name: str) -> None:
        agent = self.agents.get(name)
        if agent is None or agent.client.busy or not agent.client.queued:
            return
        self.do(Admit(name))
        if hold_of(self.gate, agent.client, self.now) is None:
            agent.turns += 1
            agent.rejected = False
            queued = agent.client.queued - 1
            agent.client = evolve(agent.client, queued=queued, busy=True)

    # -- the API --------------------------------------------------------------------------------

    @rule(
        name=names, kind=st.sampled_from(SignalKind), window=st.sampled_from(WINDOWS), reset=offsets
    )
    def says(self, name: str, kind: SignalKind, window: str | None, reset: float | None) -> None:
        if agent := self.busy(name):
            resets_at = None if reset is None else self.now + reset
            if kind is SignalKind.ANSWERED:
                self.refused.clear()
                agent.rejected = False
            if kind is SignalKind.UNAUTHORISED:
                self.refused.add(agent.lease)
            if kind is SignalKind.REJECTED:
                agent.rejected = True
            said = ApiSignal(agent.lease, kind, window, resets_at, reset)
            self.do(Signal(name, said))
            if kind is SignalKind.REJECTED:
                assert hold_of(self.gate, agent.client, self.now) is not None

    @rule(
        name=names,
        outcome=st.sampled_from(Outcome),
        window=st.sampled_from(WINDOWS),
        reset=offsets,
        model=st.sampled_from((None, "claude-opus-5-5", "claude-sonnet-5-5", "nonsense")),
    )
    def ends(
        self,
        name: str,
        outcome: Outcome,
        window: str | None,
        reset: float | None,
        model: str | None,
    ) -> None:
        agent = self.busy(name)
        if agent is None:
            return
        agent.client = evolve(agent.client, busy=False)
        if outcome is Outcome.UNAUTHORISED:
            self.refused.add(agent.lease)
        until = None if reset is None else self.now + reset
        self.do(
            TurnEnd(name, agent.lease, TurnReport(outcome, "", until, window=window, model=model))
        )
        if outcome in STOPS and not (outcome is Outcome.LIMITED and agent.rejected):
            assert hold_of(self.gate, agent.client, self.now) is not None, "it would spin"

    # -- time, operator, restarts ---------------------------------------------------------------

    @rule(seconds=st.floats(0, 4000), chance=chances)
    def time_passes(self, seconds: float, chance: float) -> None:
        self.now += seconds
        self.chance = chance
        self.do(Look())

    @rule(seconds=st.sampled_from((-86400.0, -3.0, 3600.0)))
    def clock_jumps(self, seconds: float) -> None:
        self.now += seconds
        self.do(Look())

    @rule(
        action=st.sampled_from(("hold", "release", "probe")),
        bucket=st.sampled_from((None, "all", "opus")),
        seconds=st.none() | st.floats(1, 4000),
    )
    def operator(self, action: str, bucket: str | None, seconds: float | None) -> None:
        until = None if seconds is None else self.now + seconds
        if action == "release":
            self.refused.clear()
        self.do(GateCommand("default", action, bucket, until=until))

    @rule()
    def new_login(self) -> None:
        self.refused.clear()
        self.do(NewLogin())

    @rule()
    def restart(self) -> None:
        """What the table holds is all that is left; the refusals of before are forgotten."""
        kept = tuple(
            Bucket(b.name, b.state, b.condition, b.since, b.until, b.reason, b.source, b.tries)
            for b in self.gate.buckets
        )
        self.gate = gate_of("default", kept)
        self.refused.clear()
        self.do(Look())

    # -- what always holds ----------------------------------------------------------------------

    @invariant()
    def a_look_settles_everything(self) -> None:
        once = step(self.gate, Look(), self.world)
        assert step(once, Look(), self.world) == once

    @invariant()
    def closed_is_closed_and_one_probes(self) -> None:
        gate = step(self.gate, Look(), self.world)
        for bucket in gate.buckets:
            concerned = [one for one in self.world.clients if bucket.concerns(one)]
            free = [one for one in concerned if not hold_in_bucket(gate, bucket, one, self.now)]
            if bucket.state in (GateState.CLOSED, GateState.HELD):
                assert free == []
            if bucket.state is GateState.PROBING:
                ready = [
                    one
                    for one in concerned
                    if one.queued and not one.busy and hold_of(gate, one, self.now) is None
                ]
                assert len(ready) <= 1, "two would try"
                if bucket.probe is not None:
                    assert [one.name for one in free] == [bucket.probe.agent]

    @invariant()
    def a_login_is_needed_after_two_refusals_only(self) -> None:
        needs = self.gate.bucket("all").condition is Condition.NEEDS_LOGIN
        closed = self.gate.bucket("all").state is GateState.CLOSED
        if needs and closed and not self.needed:
            assert len(self.refused) >= 2
        self.needed = needs and closed

    @invariant()
    def what_time_ends_has_a_time(self) -> None:
        look = next_look(self.gate, self.world)
        for bucket in self.gate.buckets:
            times = [one.at for one in bucket.followers]
            if bucket.until is not None:
                times.append(bucket.until)
            if times:
                assert look is not None and look <= max(self.now + 0.05, min(times))

    @invariant()
    def what_is_shown_is_what_happens(self) -> None:
        for status in statuses(self.gate, self.world):
            bucket = self.gate.bucket(status.bucket)
            held = [c for c in self.world.clients if hold_in_bucket(self.gate, bucket, c, self.now)]
            assert (status.waiting, status.queued) == (len(held), sum(c.queued for c in held))
            assert (status.condition is Condition.ONLINE) == bucket.lets_through

    def teardown(self) -> None:
        """With an API that answers, and a login where one is needed, all work gets done."""
        for name, agent in self.agents.items():
            if agent.client.busy:
                agent.client = evolve(agent.client, busy=False)
                self.do(TurnEnd(name, agent.lease, TurnReport(Outcome.INTERRUPTED)))
            agent.client = evolve(agent.client, queued=1)
        self.do(NewLogin())
        for bucket in self.gate.buckets:
            if bucket.state is GateState.HELD:
                self.do(GateCommand("default", "release", bucket.name))
        self.do(Look())
        for _ in range(200):
            for name, agent in self.agents.items():
                self.takes(name)
                if agent.client.busy:
                    self.do(Signal(name, ApiSignal(agent.lease, SignalKind.ANSWERED)))
                    agent.client = evolve(agent.client, busy=False)
                    self.do(TurnEnd(name, agent.lease, TurnReport(Outcome.COMPLETED)))
            if not any(agent.client.queued for agent in self.agents.values()):
                return
            look = next_look(self.gate, self.world)
            assert look is not None, "somebody waits for ever"
            self.now = look
            self.do(Look())
        raise AssertionError("work is left although the API answers")


TestGateMachine = GateMachine.TestCase
TestGateMachine.settings = settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None)
