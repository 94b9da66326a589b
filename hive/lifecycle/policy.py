"""What may be done with an agent in each state, and what the hive does by itself. Pure.

What is wanted of an agent, what is observed of it and its newest deployment are three records with
an owner each; none is derived from another. A verb changes the first and, through
`hive.deployments`, the third, in one transaction. The second follows by `reconcile`, which is asked
again and again: so a crash between a verb and its effect delays the effect and loses nothing.
"""

from enum import StrEnum

from attrs import evolve, frozen

from hive.deployments import (
    DEFAULT_LIMITS,
    CancelDeployment,
    Deployment,
    DeploymentLimits,
    DeploymentRequest,
    DeploymentState,
    Joined,
    Moment,
    Preempted,
    StartContainer,
    Stepped,
    StopContainer,
    Work,
    ask,
    rebuild_commit,
    step,
)
from hive.wire.names import OPERATOR
from hive.wire.states import AgentState

INTERRUPT_S = 10.0
"""So long an interrupted turn has for its end."""

MOST_REASON = 500
_HIVE = "hive"


class WantedState(StrEnum):
    """What is wanted of an agent."""

    ABSENT = "absent"
    """There is no such agent, and nothing of it is left."""
    DRAFT = "draft"
    """It has a configuration to be edited; the first one that is applied creates the agent."""
    RUNNING = "running"
    PAUSED = "paused"
    """It runs, and no message is delivered to it."""
    STOPPED = "stopped"
    TOMBSTONE = "tombstone"
    """It was destroyed: it does not run, nobody can write to it, and all of it is kept."""
    PURGED = "purged"
    """All that is left of it is being removed."""


class Verb(StrEnum):
    """What can be done with an agent."""

    INIT = "init"
    """Make a draft: the first of two steps to a new agent."""
    SPAWN = "spawn"
    """Make an agent in one step."""
    APPLY = "apply"
    """Deploy a commit of its configuration."""
    REBUILD = "rebuild"
    """Deploy again what is deployed; by the operator also what failed as the first."""
    CANCEL = "cancel"
    """Give up the deployment that is queued or under way."""
    PAUSE = "pause"
    UNPAUSE = "unpause"
    STOP = "stop"
    START = "start"
    RESTART = "restart"
    DESTROY = "destroy"
    REVIVE = "revive"
    PURGE = "purge"
    EXPORT = "export"
    """Read all of its files; it needs no container."""


@frozen
class Wanted:
    """What is wanted, who said so, why, and in epoch seconds since and until when.

    `until` None: until somebody says otherwise. Only a pause and a stop end by themselves, after
    which the agent is wanted running.
    """

    state: WantedState
    by: str
    since: float
    reason: str = ""
    until: float | None = None


@frozen
class Observed:
    """What is seen of its container, why and by whom it is so, and since and until when.

    `stopped`: there is no container. `until` is when the supervisors try again; None: they do
    not.
    """

    state: AgentState
    since: float
    by: str = _HIVE
    reason: str = ""
    until: float | None = None


@frozen
class AgentLife:
    """All that decides what may be done with an agent; `deployment` is its newest, None if none."""

    name: str
    wanted: Wanted
    observed: Observed
    deployment: Deployment | None = None


@frozen
class VerbOrder:
    """A verb, who says it and why.

    `request` is what `spawn` and `apply` deploy. `until` (epoch seconds) ends a pause or a stop.
    `drain` False: a turn in progress is interrupted at once. `confirmed`: said a second time, which
    `purge` needs.
    """

    verb: Verb
    by: str
    reason: str = ""
    until: float | None = None
    request: DeploymentRequest | None = None
    drain: bool = True
    confirmed: bool = False


@frozen
class Acted:
    """The agent after a verb, what is written in the same transaction, and what is done then."""

    life: AgentLife
    joined: tuple[Joined, ...] = ()
    work: tuple[Work, ...] = ()


class VerbRefused(Exception):
    """The verb is not allowed in this state; the text says which are."""

    code = "verb_refused"


# -- what is allowed ------------------------------------------------------------------------------

_LIVING = (WantedState.RUNNING, WantedState.PAUSED, WantedState.STOPPED)

_ALWAYS: dict[WantedState, tuple[Verb, ...]] = {
    WantedState.ABSENT: (Verb.INIT, Verb.SPAWN),
    WantedState.DRAFT: (Verb.APPLY, Verb.PURGE, Verb.EXPORT),
    WantedState.RUNNING: (Verb.PAUSE, Verb.STOP),
    WantedState.PAUSED: (Verb.PAUSE, Verb.UNPAUSE, Verb.STOP),
    WantedState.STOPPED: (Verb.START,),
    WantedState.TOMBSTONE: (Verb.REVIVE, Verb.PURGE, Verb.EXPORT),
    WantedState.PURGED: (Verb.PURGE,),
}
"""A pause may be said again, with another reason or end; a purge, to complete it."""

_REACHED = {
    Verb.START: WantedState.RUNNING,
    Verb.UNPAUSE: WantedState.RUNNING,
    Verb.REVIVE: WantedState.RUNNING,
    Verb.STOP: WantedState.STOPPED,
    Verb.DESTROY: WantedState.TOMBSTONE,
}
"""Verbs that change nothing where they lead to; a command whose answer was lost is repeated."""


def verbs(life: AgentLife) -> tuple[Verb, ...]:
    """All that can be done with the agent now, in the order of `Verb`."""
    allowed = set(_ALWAYS[life.wanted.state])
    if life.wanted.state in _LIVING:
        allowed |= {Verb.APPLY, Verb.DESTROY, Verb.EXPORT}
        if life.deployment is not None:
            allowed |= _of_deployment(life, life.deployment)
    return tuple(verb for verb in Verb if verb in allowed)


def _of_deployment(life: AgentLife, deployment: Deployment) -> set[Verb]:
    allowed = {Verb.REBUILD}
    ended = deployment.is_over or deployment.state is DeploymentState.REVERTING
    if not ended or deployment.next is not None:
        allowed.add(Verb.CANCEL)
    if life.wanted.state is not WantedState.STOPPED and _kept_running(life) is not None:
        allowed.add(Verb.RESTART)
        if life.observed.state not in (AgentState.RUNNING, AgentState.STARTING):
            allowed.add(Verb.START)
    return allowed


def refusal(life: AgentLife, verb: Verb) -> str:
    """Why the verb is not allowed, and which are."""
    wanted = life.wanted
    state = f"it is {wanted.state}"
    if wanted.reason or wanted.by != OPERATOR:
        state += f" (by {wanted.by}{f': {wanted.reason}' if wanted.reason else ''})"
    if life.deployment is not None and wanted.state in _LIVING:
        state += f", and its newest deployment is {life.deployment.state}"
        if life.deployment.reason:
            state += f" ({life.deployment.reason})"
    return f"{verb} is not possible for {life.name}: {state}. Allowed: {', '.join(verbs(life))}"


# -- acting ---------------------------------------------------------------------------------------


def act(
    life: AgentLife,
    order: VerbOrder,
    moment: Moment,
    *,
    quarantine: str | None = None,
    limits: DeploymentLimits = DEFAULT_LIMITS,
) -> Acted:
    """The agent after a verb; itself if that has been reached before.

    `quarantine` is why the commit of the order's request is in quarantine, None if it is not.
    Raises VerbRefused, and Quarantined as `hive.deployments.ask` does.
    """
    verb = order.verb
    if verb not in verbs(life):
        if _REACHED.get(verb) is life.wanted.state:
            return Acted(life)
        raise VerbRefused(refusal(life, verb))
    _check(life, order, moment)
    stop = StopContainer(limits.drain_s if order.drain else 0.0)
    deployed = _deployed(life, order, moment, quarantine)
    joined = () if deployed is None else deployed.joined
    after = evolve(
        life,
        wanted=_wanted(life, order, moment.now),
        deployment=life.deployment if deployed is None else deployed.record,
    )
    match verb:
        case Verb.STOP | Verb.DESTROY:
            return Acted(after, joined, (stop,))
        case Verb.PURGE:
            return Acted(evolve(after, deployment=None), joined, (StopContainer(0.0),))
        case Verb.RESTART:
            start = reconcile(evolve(after, observed=Observed(AgentState.STOPPED, moment.now)))
            return Acted(after, joined, (stop,) if start is None else (stop, start))
        case Verb.START if (commit := _kept_running(after)) is not None:
            return Acted(after, joined, (StartContainer(commit),))
    return Acted(after, joined)


def _check(life: AgentLife, order: VerbOrder, moment: Moment) -> None:
    """Raise VerbRefused if the order lacks what its verb needs."""
    if order.verb in (Verb.SPAWN, Verb.APPLY):
        if order.request is None:
            raise VerbRefused(f"{order.verb} needs a commit of the configuration of {life.name}")
        if order.request.agent != life.name:
            raise VerbRefused(
                f"the commit is one of {order.request.agent}, and cannot be deployed to "
                f"{life.name}: choose one of its own"
            )
    if order.until is not None:
        if order.verb not in (Verb.PAUSE, Verb.STOP):
            raise VerbRefused(f"{order.verb} has no end: only pause and stop can have one")
        if not moment.now < order.until < float("inf"):
            raise VerbRefused(f"the {order.verb} would be over already: give an end in the future")
    if order.verb is Verb.PURGE and not order.confirmed:
        raise VerbRefused(
            f"purge removes everything of {life.name}, for ever: its files, its configuration, its "
            "messages. Say it a second time to confirm, or export it first"
        )


def _wanted(life: AgentLife, order: VerbOrder, now: float) -> Wanted:
    match order.verb:
        case Verb.INIT:
            state = WantedState.DRAFT
        case Verb.SPAWN | Verb.UNPAUSE | Verb.REVIVE:
            state = WantedState.RUNNING
        case Verb.APPLY if life.wanted.state is WantedState.DRAFT:
            state = WantedState.RUNNING
        case Verb.START if life.wanted.state is WantedState.STOPPED:
            state = WantedState.RUNNING
        case Verb.PAUSE:
            state = WantedState.PAUSED
        case Verb.STOP:
            state = WantedState.STOPPED
        case Verb.DESTROY:
            state = WantedState.TOMBSTONE
        case Verb.PURGE:
            state = WantedState.PURGED
        case _:
            return life.wanted
    return Wanted(state, order.by, now, order.reason[:MOST_REASON], order.until)


def _deployed(
    life: AgentLife, order: VerbOrder, moment: Moment, quarantine: str | None
) -> Stepped | None:
    """What the verb makes of the deployment; None if there is none, before and after."""
    current = life.deployment
    if order.request is not None and order.verb in (Verb.SPAWN, Verb.APPLY):
        return ask(current, order.request, moment, quarantine)
    if current is None:
        return None
    match order.verb:
        case Verb.REBUILD:
            request = DeploymentRequest(
                agent=life.name,
                commit=rebuild_commit(current),
                by=order.by,
                drain=order.drain,
                by_hand=order.by == OPERATOR,
            )
            return ask(current, request, moment, quarantine)
        case Verb.CANCEL | Verb.PURGE:
            up = life.wanted.state in (WantedState.RUNNING, WantedState.PAUSED)
            return step(current, CancelDeployment(order.by, up), moment)
        case Verb.PAUSE | Verb.STOP | Verb.DESTROY:
            why = f"{order.verb} by {order.by}{f': {order.reason}' if order.reason else ''}"
            return step(current, Preempted(why, ends=order.verb is not Verb.PAUSE), moment)
    return None


# -- by itself ------------------------------------------------------------------------------------


def on_time(life: AgentLife, now: float) -> AgentLife:
    """The agent, wanted running if its pause or stop is over by now; else itself."""
    until = life.wanted.until
    if until is None or until > now:
        return life
    reason = f"the end of: {life.wanted.state} by {life.wanted.by}"
    return evolve(life, wanted=Wanted(WantedState.RUNNING, _HIVE, now, reason))


def purge_completed(life: AgentLife, now: float) -> AgentLife:
    """The agent, after all that was left of it is removed; itself if it is not being purged."""
    if life.wanted.state is not WantedState.PURGED:
        return life
    return evolve(life, wanted=Wanted(WantedState.ABSENT, _HIVE, now))


def reconcile(life: AgentLife, limits: DeploymentLimits = DEFAULT_LIMITS) -> Work | None:
    """What brings the container nearer to what is wanted; None: nothing, or it is not for us to do.

    While a deployment is in transition its own work is what starts and stops the container. What
    backs off, is parked or failed is left to the supervisors and to `start`.
    """
    living = life.wanted.state in _LIVING
    if living and life.deployment is not None and life.deployment.in_transition:
        return None
    commit = _kept_running(life)
    if commit is None:
        if life.observed.state in (AgentState.STOPPED, AgentState.STOPPING):
            return None
        return StopContainer(limits.drain_s)
    return StartContainer(commit) if life.observed.state is AgentState.STOPPED else None


def _kept_running(life: AgentLife) -> str | None:
    """The commit that runs when nobody does anything; None: none, or its deployment decides."""
    deployment = life.deployment
    if life.wanted.state not in (WantedState.RUNNING, WantedState.PAUSED) or deployment is None:
        return None
    if deployment.in_transition or deployment.state is DeploymentState.STRANDED:
        return None
    return deployment.last_deployed


# -- draining -------------------------------------------------------------------------------------


class DrainStep(StrEnum):
    """What is done with an agent that is to stop."""

    WAIT = "wait"
    """Its turn goes on, and it takes nothing new."""
    INTERRUPT = "interrupt"
    """Its turn is interrupted, and marked so; what it held goes back to its queue."""
    STOP = "stop"
    """Its container ends."""


@frozen
class Drain:
    """What is done now, and for how many seconds at most before this is asked again."""

    step: DrainStep
    for_s: float = 0.0


def drain(in_turn: bool, waited_s: float, drain_s: float) -> Drain:
    """What to do `waited_s` after the stop was asked for; `drain_s` 0 interrupts at once.

    By the loop's clock, so that a turn has its time also when the machine has slept.
    """
    if not in_turn or waited_s >= drain_s + INTERRUPT_S:
        return Drain(DrainStep.STOP)
    if waited_s < drain_s:
        return Drain(DrainStep.WAIT, drain_s - waited_s)
    return Drain(DrainStep.INTERRUPT, drain_s + INTERRUPT_S - waited_s)
