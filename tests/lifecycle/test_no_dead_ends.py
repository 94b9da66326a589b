"""Every state that an agent can come into is searched: none is without a way out.

The search is exhaustive, over values without their times: what is wanted, what is observed, and the
newest deployment with what comes after it. Anything may happen (`accidents`); only what somebody
can do, or what happens by itself, leads out (`onward`).
"""

from collections import deque
from collections.abc import Iterator
from functools import cache

from attrs import evolve

from hive.deployments import (
    Begin,
    Cause,
    Deployment,
    DeploymentRequest,
    DeploymentState,
    Moment,
    Outage,
    Quarantined,
    RebuildQueue,
    StepDeadline,
    StepDone,
    StepFailed,
    StopContainer,
    next_agents,
    resume,
    step,
    work,
)
from hive.deployments.deployment import OVER
from hive.lifecycle import (
    AgentLife,
    Observed,
    Verb,
    VerbOrder,
    VerbRefused,
    Wanted,
    WantedState,
    act,
    on_time,
    purge_completed,
    reconcile,
    refusal,
    verbs,
)
from hive.wire.states import AgentState

NOW = 1_000.0
MOMENT = Moment(NOW)
COMMITS = ("a" * 40, "b" * 40)
SEEN = (AgentState.STOPPED, AgentState.RUNNING, AgentState.BACKOFF, AgentState.FAILED)
BY_ITSELF = {AgentState.BACKOFF: AgentState.RUNNING}


def start() -> AgentLife:
    wanted = Wanted(WantedState.ABSENT, "operator", 0.0)
    return AgentLife("worker", wanted, Observed(AgentState.STOPPED, 0.0))


def timeless(life: AgentLife) -> AgentLife:
    """The same state at another time is the same state."""
    one = life.deployment
    if one is not None:
        outage = one.outage
        if outage is not None:
            retry_at = None if outage.retry_at is None else 0.0
            outage = Outage(Cause.HOST, "", 0.0, 1, retry_at)
        one = evolve(
            one,
            since=0.0,
            began_at=0.0,
            attempt=0,
            generation=0,
            spent_s=0.0,
            cause=None,
            reason="",
            outage=outage,
            resumes=0,
        )
    wanted = Wanted(life.wanted.state, "operator", 0.0)
    return evolve(life, wanted=wanted, observed=Observed(life.observed.state, 0.0), deployment=one)


def seen(life: AgentLife, state: AgentState) -> AgentLife:
    return evolve(life, observed=Observed(state, 0.0))


def orders(life: AgentLife) -> Iterator[VerbOrder]:
    for verb in verbs(life):
        if verb not in (Verb.SPAWN, Verb.APPLY):
            yield VerbOrder(verb, "operator", confirmed=True)
            continue
        for commit, hot in ((COMMITS[0], False), (COMMITS[1], False), (COMMITS[1], True)):
            request = DeploymentRequest("worker", commit, "operator", 1, hot, by_hand=True)
            yield VerbOrder(verb, "operator", request=request)


def with_deployment(life: AgentLife, record: Deployment) -> AgentLife:
    return evolve(life, deployment=record)


def done(life: AgentLife, one: Deployment) -> AgentLife:
    """The work of the deployment is done, with what that makes of the container."""
    after = with_deployment(life, step(one, StepDone(one.attempt), MOMENT).record)
    if one.request.hot and one.state is not DeploymentState.FAILED:
        return after
    stops = any(isinstance(todo, StopContainer) for todo in work(one))
    if stops:
        return seen(after, AgentState.STOPPED)
    return seen(after, AgentState.RUNNING) if one.in_transition else after


def onward(life: AgentLife) -> Iterator[AgentLife]:
    """What somebody can do, and what comes by itself when nothing fails."""
    for order in orders(life):
        after = act(life, order, MOMENT)
        yield after.life
        if order.verb in (Verb.START, Verb.RESTART) and after.work:
            yield seen(after.life, AgentState.RUNNING)
    yield from by_itself(life)


def by_itself(life: AgentLife) -> Iterator[AgentLife]:
    yield purge_completed(life, NOW)
    one = life.deployment
    if one is not None:
        wanted = life.wanted.state is WantedState.RUNNING
        if next_agents(RebuildQueue((one,), frozenset({"worker"} if wanted else ())), NOW):
            yield with_deployment(life, step(one, Begin(), MOMENT).record)
        if work(one):
            yield done(life, one)
    todo = reconcile(life)
    if todo is not None:
        stops = isinstance(todo, StopContainer)
        yield seen(life, AgentState.STOPPED if stops else AgentState.RUNNING)
    if life.observed.state in BY_ITSELF:
        yield seen(life, BY_ITSELF[life.observed.state])


def accidents(life: AgentLife) -> Iterator[AgentLife]:
    """All that can happen besides: what fails, what ends, a daemon that is killed."""
    for state in SEEN:
        yield seen(life, state)
    if (one := life.deployment) is not None:
        for cause in Cause.OWN, Cause.DISK:
            failed = step(one, StepFailed(one.attempt, cause, "?"), MOMENT)
            yield with_deployment(life, failed.record)
        late = step(one, StepDeadline(one.attempt), MOMENT)
        yield with_deployment(life, late.record)
        yield with_deployment(life, resume(one, MOMENT).record)
    if life.wanted.state in (WantedState.PAUSED, WantedState.STOPPED):
        ending = evolve(life, wanted=evolve(life.wanted, until=NOW))
        yield on_time(ending, NOW)


@cache
def ways() -> dict[AgentLife, set[AgentLife]]:
    """All states that can be reached, each with those to which there is a way out of it."""
    found: dict[AgentLife, set[AgentLife]] = {}
    new = deque([timeless(start())])
    while new:
        life = new.popleft()
        if life in found:
            continue
        found[life] = {timeless(after) for after in onward(life)}
        after_all = found[life] | {timeless(after) for after in accidents(life)}
        new.extend(after for after in after_all if after not in found)
    return found


def is_running(life: AgentLife) -> bool:
    one = life.deployment
    return (
        life.wanted.state is WantedState.RUNNING
        and life.observed.state is AgentState.RUNNING
        and one is not None
        and one.is_over
        and one.settled
        and one.last_deployed is not None
    )


def is_gone(life: AgentLife) -> bool:
    return life.wanted.state is WantedState.ABSENT


def without_a_way(goals: set[AgentLife], way: dict[AgentLife, set[AgentLife]]) -> set[AgentLife]:
    """The states of `way` from which no goal can be reached."""
    back: dict[AgentLife, set[AgentLife]] = {}
    for life, nexts in way.items():
        for after in nexts:
            back.setdefault(after, set()).add(life)
    found, new = set(goals), deque(goals)
    while new:
        for before in back.get(new.popleft(), set()) - found:
            found.add(before)
            new.append(before)
    return set(way) - found


def test_every_combination_of_states_is_searched() -> None:
    assert {life.wanted.state for life in ways()} == set(WantedState)
    over = {one for one in DeploymentState if one in OVER} | {DeploymentState.QUEUED}
    states = {
        WantedState.RUNNING: set(DeploymentState),
        WantedState.PAUSED: over | {DeploymentState.REVERTING},
        WantedState.STOPPED: over,
        WantedState.TOMBSTONE: over,
    }
    for wanted, expected in states.items():
        found = {
            (life.observed.state, life.deployment.state)
            for life in ways()
            if life.wanted.state is wanted and life.deployment is not None
        }
        assert found == {(state, one) for state in SEEN for one in expected}


def test_from_every_state_there_is_a_way_to_running() -> None:
    goals = {life for life in ways() if is_running(life)}
    assert goals and not without_a_way(goals, ways())


def test_from_every_state_there_is_a_way_to_gone() -> None:
    goals = {life for life in ways() if is_gone(life)}
    assert goals and not without_a_way(goals, ways())


def test_what_is_wanted_running_comes_to_an_end_of_its_deployment_by_itself() -> None:
    """Nobody has to do anything, and no state waits for an event that never comes."""
    alone = {
        life: {timeless(after) for after in by_itself(life)}
        for life in ways()
        if life.wanted.state is WantedState.RUNNING
    }
    assert not without_a_way(
        {life for life in alone if life.deployment and life.deployment.settled}, alone
    )


def test_every_verb_that_is_listed_works_and_every_other_is_refused_with_the_list() -> None:
    """`onward` has acted by each that is listed, in each state."""
    for life in ways():
        text = refusal(life, Verb.INIT)
        assert text.endswith(f"Allowed: {', '.join(verbs(life))}")
        assert verbs(life)
        for verb in set(Verb) - set(verbs(life)):
            request = DeploymentRequest("worker", COMMITS[0], "operator", by_hand=True)
            order = VerbOrder(verb, "operator", request=request, confirmed=True)
            try:
                assert act(life, order, MOMENT).life is life, "it has been reached already"
            except VerbRefused as error:
                assert str(error) == refusal(life, verb)
            except Quarantined:
                raise AssertionError("not for the operator") from None


def test_files_are_at_hand_without_a_container() -> None:
    for life in ways():
        if life.wanted.state not in (WantedState.ABSENT, WantedState.PURGED):
            assert Verb.EXPORT in verbs(life)
        living = (WantedState.RUNNING, WantedState.PAUSED, WantedState.STOPPED)
        assert (Verb.DESTROY in verbs(life)) == (life.wanted.state in living)


def test_nothing_starts_a_container_of_an_agent_that_is_not_to_run() -> None:
    for life in ways():
        if life.wanted.state in (WantedState.RUNNING, WantedState.PAUSED):
            continue
        assert life.deployment is None or not life.deployment.in_transition
        todo = reconcile(life)
        assert todo is None or isinstance(todo, StopContainer)
