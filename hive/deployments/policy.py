"""How a commit comes to run: from a deployment and an event to the next deployment. Pure.

There is one record for each agent, its newest deployment, and it has all that is needed to go on
after `kill -9` at any point. What has to be done is read off the record (`work`), never remembered:
each piece of work is a condition that is made true, so doing it again changes nothing. What a step
adds for others (`joined`) is written in the record's own transaction, so it happens exactly once.

A shell around this does, for each agent: write `Stepped.record` with `Stepped.joined`; then, if the
record's `attempt` is another one than before, cancel the work that runs and begin `work(record)`,
one piece after the other, within `time_for(record)` of the loop's clock; then report with StepDone,
StepFailed or StepDeadline and the attempt that it was. A report about another attempt comes too
late and changes nothing, so that two events at once need no lock.

Deadlines count seconds in which the daemon ran and the machine was awake, as the loop's clock does:
a machine that slept has failed nobody. Waits after an outside cause end at a time of the day.
"""

from attrs import evolve

from hive.approvals import ApprovalState
from hive.deployments.deployment import (
    DEFAULT_LIMITS,
    ApplyHot,
    Begin,
    Build,
    CancelDeployment,
    Cause,
    Deployment,
    DeploymentEvent,
    DeploymentLimits,
    DeploymentRequest,
    DeploymentState,
    Joined,
    LiftQuarantine,
    Moment,
    Outage,
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
    Work,
)
from hive.directory import MANAGER
from hive.wire.names import OPERATOR

MOST_RESUMES = 3
"""So often a step is begun anew at once because the daemon had ended in it."""

MOST_REASON = 500

_DOWN = (DeploymentState.STOPPING, DeploymentState.STARTING, DeploymentState.REVERTING)
"""The agent is down, or soon will be, for a step that brings it up again."""

_TOUCHING = (DeploymentState.STOPPING, DeploymentState.PROVING)
"""The states in which the agent is changed for the first time, the second one by hot changes."""

# -- what is to be done ---------------------------------------------------------------------------


def work(record: Deployment, limits: DeploymentLimits = DEFAULT_LIMITS) -> tuple[Work, ...]:
    """What is to be made true now, in this order; nothing while it waits or is queued."""
    if record.retry_at is not None or record.settled:
        return ()
    commit, previous = record.commit, record.previous
    match record.state:
        case DeploymentState.BUILDING:
            return (*_tag(record, "building"), Build(commit))
        case DeploymentState.STOPPING:
            return (StopContainer(_drain_s(record, limits)),)
        case DeploymentState.STARTING:
            return (StartContainer(commit, record.generation),)
        case DeploymentState.PROVING if record.request.hot:
            return (ApplyHot(commit),)
        case DeploymentState.PROVING:
            proof = Prove(record.since, limits.stay_up_s)
            return (StartContainer(commit, record.generation), proof)
        case DeploymentState.REVERTING if previous is not None:
            if record.request.hot:
                return (ApplyHot(previous),)
            return (Build(previous), StartContainer(previous, record.generation))
        case DeploymentState.FAILED | DeploymentState.STRANDED:
            return (StopContainer(0.0), *_tag(record, "failed"))
        case DeploymentState.DEPLOYED:
            return _tag(record, "deployed")
        case DeploymentState.REVERTED:
            return _tag(record, "failed")
    return ()


def time_for(record: Deployment, limits: DeploymentLimits = DEFAULT_LIMITS) -> float:
    """How many seconds `work` may take by the loop's clock."""
    match record.state:
        case DeploymentState.BUILDING:
            step = limits.build_s
        case DeploymentState.STARTING:
            step = limits.start_s
        case DeploymentState.PROVING:
            step = limits.start_s if record.request.hot else limits.prove_s + limits.stay_up_s
        case DeploymentState.STOPPING:
            return _drain_s(record, limits) + limits.stop_s
        case DeploymentState.REVERTING:
            return limits.build_s + limits.stop_s + limits.start_s
        case _:
            return limits.stop_s
    return max(0.0, min(step, limits.whole_s - record.spent_s))


def is_due(record: Deployment, now: float, limits: DeploymentLimits = DEFAULT_LIMITS) -> bool:
    """Whether what waits is to be tried again now.

    Also if that is farther away than any wait is: the clock was set back since.
    """
    at = record.retry_at
    return at is not None and not now < at <= now + limits.backoff.max


def rebuild_commit(record: Deployment) -> str:
    """The commit that a rebuild of the agent is about: the newest that it is to run."""
    if record.next is not None:
        return record.next.commit
    if record.is_over or record.state is DeploymentState.REVERTING:
        return record.last_deployed or record.commit
    return record.commit


def _drain_s(record: Deployment, limits: DeploymentLimits) -> float:
    return limits.drain_s if record.request.drain else 0.0


def _tag(record: Deployment, state: str) -> tuple[Tag, ...]:
    approval = record.request.approval
    if approval is None:
        return ()
    return (Tag(f"{state}/{approval}", record.commit, record.reason),)


# -- asking ---------------------------------------------------------------------------------------


def ask(
    current: Deployment | None,
    request: DeploymentRequest,
    moment: Moment,
    quarantine: str | None = None,
) -> Stepped:
    """Queue a deployment after the agent's newest one, which is `current`, or in its place.

    The same commit is not deployed twice: one that waits for an outside cause tries at once. An
    older one is replaced at once where the agent is up, else as soon as it is up again.
    `quarantine` is why the commit is in quarantine, None if it is not. Raises Quarantined.
    """
    if quarantine is not None and not request.by_hand and not _is_known(current, request):
        raise Quarantined(
            f"commit {request.commit[:12]} is in quarantine for {request.agent}, because it "
            f"failed: {quarantine}. Deploy a different commit; only the operator tries this one "
            "again, by hand"
        )
    if current is None:
        return Stepped(_queued(request, None, moment))
    waits = current.next
    if waits is not None and waits.commit == request.commit:
        merged = _merged(waits, request)
        return Stepped(evolve(current, next=merged), _superseded(waits, merged))
    dropped = _superseded(waits, request)
    going = not current.is_over and current.state is not DeploymentState.REVERTING
    if going and request.commit == current.commit:
        request = _merged(current.request, request)
        if request.hot == current.request.hot:
            dropped += _superseded(current.request, request)
            return Stepped(_asked_again(current, request, moment), dropped)
    return _replaced_if_safe(Stepped(evolve(current, next=request), dropped), moment)


def _is_known(current: Deployment | None, request: DeploymentRequest) -> bool:
    """Whether the commit is deployed already, or is what a rebuild of today is about."""
    if current is None:
        return False
    failed = current.state is DeploymentState.FAILED
    return request.commit == current.last_deployed or (
        not failed and request.commit == rebuild_commit(current)
    )


def _merged(old: DeploymentRequest, new: DeploymentRequest) -> DeploymentRequest:
    """One request in the place of two for the same commit."""
    return evolve(
        old,
        approval=old.approval if new.approval is None else new.approval,
        hot=old.hot and new.hot,
        drain=old.drain and new.drain,
        by_hand=old.by_hand or new.by_hand,
        rollout=old.rollout if new.rollout is None else new.rollout,
    )


def _asked_again(record: Deployment, request: DeploymentRequest, moment: Moment) -> Deployment:
    """The record of which the same is asked while it is under way: what waits need not wait."""
    hurried = record.state is DeploymentState.STOPPING and request.drain != record.request.drain
    attempt = record.attempt + hurried  # the stop begins anew, with less patience
    record = evolve(record, request=request, next=None, attempt=attempt)
    if record.outage is None or record.retry_at is None:
        return record
    return evolve(record, outage=evolve(record.outage, retry_at=moment.now))


def _queued(request: DeploymentRequest, old: Deployment | None, moment: Moment) -> Deployment:
    """A new record after the old one; it takes its place in a rollout, if that is not over."""
    if old is None:
        new = evolve(request, hot=False)
        return Deployment(new, None, DeploymentState.QUEUED, moment.now, moment.now)
    if not old.is_over and request.rollout is None:
        request = evolve(request, rollout=old.request.rollout)
    # What is hot was found by comparing with what was deployed: it must be that what runs.
    hot = request.hot and old.last_deployed is not None and not old.touched
    return Deployment(
        request=evolve(request, hot=hot),
        previous=old.last_deployed,
        state=DeploymentState.QUEUED,
        since=moment.now,
        began_at=moment.now,
        attempt=old.attempt + 1,
        generation=old.generation,
        touched=old.touched,
    )


def _replaced_if_safe(step: Stepped, moment: Moment) -> Stepped:
    """Let `next` take the record's place, unless the agent is down for a step that ends soon."""
    old = step.record
    if old.next is None or (old.state in _DOWN and old.is_working):
        return step
    new = _queued(old.next, old, moment)
    ended = old.is_over or old.state is DeploymentState.REVERTING
    joined = () if ended else _superseded(old.request, new.request)
    return Stepped(new, step.joined + joined)


def _superseded(old: DeploymentRequest | None, new: DeploymentRequest | None) -> tuple[Joined, ...]:
    """What becomes of the approval of a request that is given up for another, or for none."""
    if old is None or old.approval is None or (new is not None and new.approval == old.approval):
        return ()
    why = "cancelled"
    if new is not None:
        why = f"replaced by commit {new.commit[:12]}, which {new.by} asked for"
    return (SetApproval(old.approval, ApprovalState.SUPERSEDED, why),)


# -- stepping -------------------------------------------------------------------------------------


def step(
    record: Deployment,
    event: DeploymentEvent,
    moment: Moment,
    limits: DeploymentLimits = DEFAULT_LIMITS,
) -> Stepped:
    """The record after this event; the same one if the event is late or means nothing in it."""
    match event:
        case StepDone() | StepFailed() | StepDeadline() if (
            event.attempt != record.attempt or not work(record, limits)
        ):
            return Stepped(record)
        case Begin():
            after = _begin(record, moment, limits)
        case StepDone():
            after = _done(record, moment)
        case StepFailed():
            after = _failed(record, event.cause, event.reason, moment, limits)
        case StepDeadline():
            after = _late(record, event, moment, limits)
        case Preempted():
            return _preempted(record, event, moment)
        case CancelDeployment():
            after = _cancelled(record, event, moment)
    return _replaced_if_safe(after, moment)


def resume(
    record: Deployment, moment: Moment, limits: DeploymentLimits = DEFAULT_LIMITS
) -> Stepped:
    """What a new daemon makes of a record: its step is begun anew, whatever was done of it.

    A step in which the daemon ended again and again waits as for an outside cause, so that it
    cannot take the hive along for ever.
    """
    if not work(record, limits):
        return Stepped(record)
    resumes = record.resumes + 1
    record = evolve(record, resumes=resumes, attempt=record.attempt + 1)
    if resumes <= MOST_RESUMES or record.is_over:
        return Stepped(record)
    reason = f"the daemon ended {resumes} times while it was {record.state}"
    waiting = _wait(evolve(record, resumes=0), Cause.HOST, reason, moment, limits)
    return _replaced_if_safe(waiting, moment)


def _enter(
    record: Deployment,
    state: DeploymentState,
    moment: Moment,
    *,
    cause: Cause | None = None,
    reason: str = "",
) -> Deployment:
    """The record in its next state, in which nothing has failed yet."""
    runs_again = state in (DeploymentState.DEPLOYED, DeploymentState.REVERTED)
    starts = state in (DeploymentState.STARTING, DeploymentState.REVERTING)
    return evolve(
        record,
        state=state,
        since=moment.now,
        attempt=record.attempt + 1,
        generation=record.generation + starts,
        touched=not runs_again and (record.touched or state in _TOUCHING),
        cause=cause,
        reason=reason[:MOST_REASON],
        outage=None,
        resumes=0,
        settled=runs_again and record.request.approval is None,
    )


def _begin(record: Deployment, moment: Moment, limits: DeploymentLimits) -> Stepped:
    if record.outage is not None and record.retry_at is not None:
        if not is_due(record, moment.now, limits):
            return Stepped(record)
        outage = evolve(record.outage, retry_at=None)
        return Stepped(evolve(record, outage=outage, attempt=record.attempt + 1))
    if record.state is not DeploymentState.QUEUED:
        return Stepped(record)
    begun = _enter(record, DeploymentState.BUILDING, moment)
    joined = _approval(record, ApprovalState.BUILDING)
    return Stepped(evolve(begun, began_at=moment.now, spent_s=0.0), joined)


def _done(record: Deployment, moment: Moment) -> Stepped:
    spent = evolve(record, spent_s=record.spent_s + max(0.0, moment.worked_s))
    request = record.request
    match record.state:
        case DeploymentState.BUILDING:
            first = DeploymentState.PROVING if request.hot else DeploymentState.STOPPING
            return Stepped(_enter(spent, first, moment))
        case DeploymentState.STOPPING:
            return Stepped(_enter(spent, DeploymentState.STARTING, moment))
        case DeploymentState.STARTING:
            # In the transaction of this step, so that there is a wake before anybody waits for it.
            wake = Tell(record.agent, _wake_text(record))
            return Stepped(_enter(spent, DeploymentState.PROVING, moment), (wake,))
        case DeploymentState.PROVING:
            joined = _approval(record, ApprovalState.DEPLOYED)
            if request.by_hand:
                joined += (LiftQuarantine(record.agent, record.commit),)
            if request.rollout is None and request.by != record.agent:
                joined += (Tell(request.by, f"{_what(record)} is deployed: it works"),)
            return Stepped(_enter(spent, DeploymentState.DEPLOYED, moment), joined)
        case DeploymentState.REVERTING:
            return _reverted(record, moment)
    return Stepped(evolve(record, settled=True))


def _failed(
    record: Deployment, cause: Cause, reason: str, moment: Moment, limits: DeploymentLimits
) -> Stepped:
    """An own fault ends the attempt, an outside cause is waited for."""
    reverting = record.state is DeploymentState.REVERTING
    # That the container of before does not stop, or that settings which worked before cannot be
    # applied again, is no fault of any commit.
    stopping = record.is_over or record.state is DeploymentState.STOPPING
    if cause is Cause.OWN and (stopping or (reverting and record.request.hot)):
        cause = Cause.HOST
    if cause is not Cause.OWN:
        return _wait(record, cause, reason, moment, limits)
    if not reverting:
        return _give_up(record, cause, reason, moment)
    both = f"{record.reason or 'it was given up'}; then the last deployed commit failed: {reason}"
    stranded = _enter(record, DeploymentState.STRANDED, moment, cause=cause, reason=both)
    text = (
        f"{_what(record)} failed, and so did the return to {str(record.previous)[:12]}: "
        f"{reason[:MOST_REASON]}. Nothing of {record.agent} runs; its messages wait. "
        f"`hive rebuild {record.agent}` tries the last deployed commit again, and a different "
        "commit can be applied"
    )
    return Stepped(stranded, _tell_leaders(record, text))


def _late(
    record: Deployment, event: StepDeadline, moment: Moment, limits: DeploymentLimits
) -> Stepped:
    seconds = time_for(record, limits)
    reason = f"it was not done with {record.state} in {seconds:.0f} s"
    if record.spent_s and record.spent_s + seconds >= limits.whole_s:
        reason += f", which makes {limits.whole_s:.0f} s with the steps before"
    return _failed(record, event.cause or Cause.OWN, reason, moment, limits)


def _wait(
    record: Deployment, cause: Cause, reason: str, moment: Moment, limits: DeploymentLimits
) -> Stepped:
    """Try the same step again later, for as long as it takes."""
    now, before = moment.now, record.outage
    tries = 1 if before is None else before.tries + 1
    since = now if before is None else min(before.since, now)
    told = now - since >= limits.outage_s
    outage = Outage(
        cause=cause,
        reason=reason[:MOST_REASON],
        since=since,
        tries=tries,
        retry_at=now + limits.backoff.delay(tries, moment.chance),
        told=told or (before is not None and before.told),
    )
    waiting = evolve(record, outage=outage, attempt=record.attempt + 1)
    if not told or (before is not None and before.told):
        return Stepped(waiting)
    text = (
        f"{_what(record)} has been {record.state} for {(now - since) / 3600:.0f} h, after {tries} "
        f"tries, for a cause outside of it ({cause}): {outage.reason}. It goes on by itself when "
        f"that is over; `hive rebuild {record.agent}` tries at once"
    )
    return Stepped(waiting, _tell_leaders(record, text))


def _give_up(record: Deployment, cause: Cause | None, reason: str, moment: Moment) -> Stepped:
    """Back to what was deployed before, if there is such a thing; `cause` None: nobody failed."""
    joined = _approval(record, ApprovalState.FAILED, reason)
    text = f"{_what(record)} failed: {reason[:MOST_REASON]}. "
    if record.previous is None:
        after = DeploymentState.FAILED
        text += (
            f"There is nothing to return to, because no commit of {record.agent} was ever "
            f"deployed. Apply a different commit, or `hive rebuild {record.agent}` tries this one "
            "again"
        )
    else:
        after = DeploymentState.REVERTING if record.touched else DeploymentState.REVERTED
        text += f"The agent goes on with {record.previous[:12]}, the last deployed one"
    if cause is not None:
        if record.commit != record.previous:
            joined += (Quarantine(record.agent, record.commit, reason[:MOST_REASON]),)
        joined += _tell_leaders(record, text)
    return Stepped(_enter(record, after, moment, cause=cause, reason=reason), joined)


def _reverted(record: Deployment, moment: Moment) -> Stepped:
    joined = _approval(record, ApprovalState.REVERTED, record.reason)
    if not record.request.hot:
        why = f" ({record.reason})" if record.reason else ""
        text = (
            f"You were set back to configuration {str(record.previous)[:12]}{why}. Your session "
            "and your notes are intact: go on with what you were doing"
        )
        joined += (Tell(record.agent, text),)
    return Stepped(_at_last_deployed(record, moment), joined)


def _at_last_deployed(record: Deployment, moment: Moment) -> Deployment:
    """The record, reverted; it keeps why."""
    state = DeploymentState.REVERTED
    return _enter(record, state, moment, cause=record.cause, reason=record.reason)


def _preempted(record: Deployment, event: Preempted, moment: Moment) -> Stepped:
    """Back into the queue, which begins it again when the agent is wanted running.

    Until then a paused agent is at its last deployed commit, and a stopped one starts with it.
    """
    reverting = record.state is DeploymentState.REVERTING
    if record.is_over or (reverting and not event.ends):
        return Stepped(record)
    if reverting and record.next is None:
        joined = _approval(record, ApprovalState.REVERTED, record.reason)
        return Stepped(_at_last_deployed(record, moment), joined)
    own = evolve(record.request, rollout=None)  # a rollout does not wait for it any more
    request = own if record.next is None else evolve(record.next, rollout=None)
    if record.state is DeploymentState.QUEUED and not record.touched:
        return Stepped(evolve(record, request=own))
    joined = () if reverting else _superseded(own, request)
    if not reverting and record.next is None and record.state is not DeploymentState.QUEUED:
        joined = _approval(record, ApprovalState.APPROVED, event.reason)
    if record.touched and not event.ends and record.previous is not None:
        back = _enter(record, DeploymentState.REVERTING, moment, reason=event.reason)
        only_back = evolve(own, approval=None)  # that is for what comes next
        return Stepped(evolve(back, request=only_back, next=request), joined)
    queued = _queued(request, evolve(record, request=own), moment)
    return Stepped(evolve(queued, touched=False), joined)


def _cancelled(record: Deployment, event: CancelDeployment, moment: Moment) -> Stepped:
    """Give up what is under way and what comes next; a revert goes on."""
    joined = _superseded(record.next, None)
    record = evolve(record, next=None)
    if record.is_over or record.state is DeploymentState.REVERTING:
        return Stepped(record, joined)
    if not event.up:  # nothing runs, and what was deployed before is what starts next
        record = evolve(record, touched=False)
    after = _give_up(record, None, f"cancelled by {event.by}", moment)
    return Stepped(after.record, joined + after.joined)


# -- words ----------------------------------------------------------------------------------------


def _what(record: Deployment) -> str:
    approval = record.request.approval
    by = f"approval {approval}" if approval is not None else f"asked for by {record.request.by}"
    return f"commit {record.commit[:12]} of {record.agent} ({by})"


def _wake_text(record: Deployment) -> str:
    what = "rebuilt" if record.commit == record.previous else "given a new configuration"
    return (
        f"You were {what} (commit {record.commit[:12]}). Your session and your notes are intact: "
        "go on with what you were doing"
    )


def _approval(record: Deployment, state: ApprovalState, note: str = "") -> tuple[Joined, ...]:
    approval = record.request.approval
    return () if approval is None else (SetApproval(approval, state, note[:MOST_REASON]),)


def _tell_leaders(record: Deployment, text: str) -> tuple[Joined, ...]:
    """Tell the operator, and who asked for it and the manager, who get one summary of a rollout."""
    by = record.request.by
    whom = (OPERATOR,) if record.request.rollout is not None else (OPERATOR, MANAGER, by)
    return tuple(Tell(to, text) for to in dict.fromkeys(whom) if to != record.agent)
