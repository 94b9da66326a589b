"""Whose deployment begins next, and what became of a rollout. Pure.

The queue is no list of its own: it is the newest deployments of all agents, in the order that
follows from them. So it survives a crash as they do, one agent is in it once, and who cancels or
replaces a deployment has changed the queue.

A rollout rebuilds all agents that are wanted running, the manager first. It is kept on disk beside
the deployments, and changed in the same transaction as they are.
"""

from attrs import evolve, frozen

from hive.deployments.deployment import (
    Deployment,
    DeploymentRequest,
    DeploymentState,
    Tell,
)
from hive.deployments.policy import is_due, rebuild_commit
from hive.directory import MANAGER
from hive.wire.names import OPERATOR

MOST_AT_ONCE = 4
"""Agents that are deployed at the same time."""

_SHOWN = 20
"""Agents that a summary names for each outcome, so that it stays a message of moderate length."""


@frozen
class RolloutOutcome:
    """How an agent came out of a rollout: `deployed` and the like, or what it waits for."""

    agent: str
    word: str
    reason: str = ""


@frozen
class Rollout:
    """A rebuild of all agents, asked for by `by`; `began_at` in epoch seconds.

    `pending` are those of which the outcome is not known yet.
    """

    id: int
    by: str
    began_at: float
    pending: tuple[str, ...] = ()
    outcomes: tuple[RolloutOutcome, ...] = ()


@frozen
class RebuildQueue:
    """All that decides who is next: the newest deployment of each agent, and the rollout, if any.

    `running` are the agents that are wanted running, neither paused nor stopped.
    """

    deployments: tuple[Deployment, ...] = ()
    running: frozenset[str] = frozenset()
    rollout: Rollout | None = None
    most: int = MOST_AT_ONCE


def in_order(queue: RebuildQueue) -> tuple[Deployment, ...]:
    """All that is to begin or to be tried again, in the order in which it will.

    First those whose agent is down, then what was asked for one agent, then a rollout; the manager
    before the others, and whoever has been due for longer before who came later.
    """
    waiting = (
        one
        for one in queue.deployments
        if one.retry_at is not None or one.state is DeploymentState.QUEUED
    )
    return tuple(sorted(waiting, key=_place))


def next_agents(queue: RebuildQueue, now: float) -> tuple[str, ...]:
    """Whose deployment begins, or is tried again, now: each gets `Begin`.

    No more than `most` work at the same time, besides hot changes, which wait for nobody. Agents
    that are stopped or paused begin nothing, but a way back that waits is tried again. The others
    of a rollout wait until the manager's is over, or has waited for so long that somebody was told.
    """
    room = queue.most - sum(one.is_working and not one.request.hot for one in queue.deployments)
    agents = []
    for one in in_order(queue):
        if not _may_begin(queue, one, now):
            continue
        if one.request.hot:
            agents.append(one.agent)
        elif room > 0:
            agents.append(one.agent)
            room -= 1
    return tuple(agents)


def next_look(queue: RebuildQueue, now: float) -> float | None:
    """When somebody who waits is due, in epoch seconds; None if nobody waits for a time."""
    times = [one.retry_at for one in queue.deployments if one.retry_at is not None]
    return max(now, min(times)) if times else None


def start_rollout(
    queue: RebuildQueue, *, by: str, new_id: int, now: float
) -> tuple[Rollout, tuple[DeploymentRequest, ...]]:
    """Rebuild all: the rollout, and what is to be asked for its agents in the same transaction.

    While one is going on it is that one, and those are added that it does not have yet. Agents that
    are stopped or paused are named in the summary; they start with what is new.
    """
    rollout = queue.rollout or Rollout(new_id, by, now)
    known = {*rollout.pending, *(one.agent for one in rollout.outcomes)}
    requests = []
    for one in sorted(queue.deployments, key=lambda one: (one.agent != MANAGER, one.agent)):
        if one.agent in known:
            continue
        if one.agent not in queue.running:
            rollout = _with_outcome(rollout, one.agent, "left out", "it is stopped or paused")
            continue
        if one.state is DeploymentState.FAILED:
            rollout = _with_outcome(rollout, one.agent, "left out", "nothing was ever deployed")
            continue
        rollout = evolve(rollout, pending=(*rollout.pending, one.agent))
        commit = rebuild_commit(one)
        requests.append(DeploymentRequest(one.agent, commit, by, rollout=rollout.id))
    return rollout, tuple(requests)


def observe(queue: RebuildQueue) -> Rollout | None:
    """The rollout, after what the deployments say: to be looked at with every change of one.

    It is over when nobody is pending; then `summary` is told and it is forgotten.
    """
    rollout = queue.rollout
    if rollout is None:
        return None
    newest = {one.agent: one for one in queue.deployments}
    for agent in rollout.pending:
        outcome = _outcome(rollout, newest.get(agent))
        if outcome is not None:
            rollout = _with_outcome(rollout, agent, *outcome)
    return rollout


def summary(rollout: Rollout) -> tuple[Tell, ...]:
    """The one message about a rollout that is over, to the operator, the manager and who asked."""
    by_word: dict[str, list[RolloutOutcome]] = {}
    for one in sorted(rollout.outcomes, key=lambda one: (one.word, one.agent)):
        by_word.setdefault(one.word, []).append(one)
    text = f"The rebuild of all agents, asked for by {rollout.by}, is over."
    for word, those in by_word.items():
        text += f"\n{word} ({len(those)}): "
        text += ", ".join(_shown(one) for one in those[:_SHOWN])
        if len(those) > _SHOWN:
            text += f" and {len(those) - _SHOWN} more (`hive rebuilds`)"
    return tuple(Tell(to, text) for to in dict.fromkeys((OPERATOR, MANAGER, rollout.by)))


def _place(one: Deployment) -> tuple[bool, bool, bool, float, str]:
    since = one.since if one.retry_at is None else one.retry_at
    down = one.state is DeploymentState.REVERTING
    return (not down, one.request.rollout is not None, one.agent != MANAGER, since, one.agent)


def _may_begin(queue: RebuildQueue, one: Deployment, now: float) -> bool:
    if one.retry_at is not None:
        return is_due(one, now)
    return one.agent in queue.running and not _waits_for_manager(queue, one)


def _waits_for_manager(queue: RebuildQueue, one: Deployment) -> bool:
    rollout = queue.rollout
    if rollout is None or one.request.rollout != rollout.id or one.agent == MANAGER:
        return False
    return MANAGER in rollout.pending


def _outcome(rollout: Rollout, newest: Deployment | None) -> tuple[str, str] | None:
    """The word for an agent and why; None while nobody knows."""
    if newest is None:
        return "left out", "it was purged"
    if newest.is_over:
        return newest.state, newest.reason
    if newest.outage is not None and newest.outage.told:
        return f"still {newest.state}", newest.outage.reason
    requests = (newest.request, newest.next)
    if not any(one is not None and one.rollout == rollout.id for one in requests):
        return "left out", "it was stopped, paused or destroyed meanwhile"
    return None


def _with_outcome(rollout: Rollout, agent: str, word: str, reason: str) -> Rollout:
    return evolve(
        rollout,
        pending=tuple(one for one in rollout.pending if one != agent),
        outcomes=(*rollout.outcomes, RolloutOutcome(agent, word, reason)),
    )


def _shown(one: RolloutOutcome) -> str:
    return f"{one.agent}: {one.reason}" if one.reason else one.agent
