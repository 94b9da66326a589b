"""The limit gate's decisions: from a gate and an event to the next gate. Pure.

The events are a closed set, `GateEvent`. What is to be done is read off the new value
(`hive.gate.holds`), so nothing can be forgotten between two of them, and a gate that comes from the
store is as good as one that lived on.
"""

from attrs import evolve, frozen

from hive.gate import closing, opening
from hive.gate.gate import FAMILIES, Bucket, Client, Gate, Probe, World, family
from hive.gate.holds import hold_of
from hive.text import one_line
from hive.wire.gates import ALL_MODELS, GateCommand, GateState
from hive.wire.states import Condition
from hive.wire.turns import ApiSignal, Outcome, SignalKind, TurnReport

MOST_SIGNALS = 256


@frozen
class Look:
    """Time has passed, or agents came, went or got work."""


@frozen
class Signal:
    """What the API said in the middle of an agent's turn."""

    agent: str
    signal: ApiSignal


@frozen
class TurnEnd:
    """An agent's turn is over."""

    agent: str
    lease: str
    report: TurnReport


@frozen
class Admit:
    """An agent is about to take work: it becomes the probe if there is none."""

    agent: str


@frozen
class NewLogin:
    """The credential was replaced."""


GateEvent = Look | Signal | TurnEnd | Admit | GateCommand | NewLogin


def step(gate: Gate, event: GateEvent, world: World) -> Gate:
    """The gate after this event. Raises nothing for any event but GateCommand.

    Raises ValueError, with what is allowed, for a GateCommand with a bucket, an action or a time
    that cannot be.
    """
    gate = _settle(gate, world)
    match event:
        case Signal():
            gate = _signal(gate, event.signal, world.client(event.agent), world)
        case TurnEnd():
            gate = _turn_end(gate, event, world)
        case Admit():
            return _admit(gate, world.client(event.agent), world)
        case GateCommand():
            gate = _command(gate, event, world)
        case NewLogin():
            gate = _new_login(gate, world)
    return _settle(gate, world)


# -- time -------------------------------------------------------------------------------------


def _settle(gate: Gate, world: World) -> Gate:
    """Do what is due, and see to it that whoever has to try can."""
    for bucket in gate.buckets:
        gate = gate.put(_on_time(bucket, world))
    for bucket in gate.buckets:
        if bucket.state is GateState.PROBING:
            gate = gate.put(opening.with_probe(gate, bucket, world))
    kept = [one for one in gate.buckets if one.name == ALL_MODELS or not _is_over(one)]
    return gate if len(kept) == len(gate.buckets) else evolve(gate, buckets=tuple(kept))


def _is_over(bucket: Bucket) -> bool:
    return bucket.state is GateState.OPEN and not bucket.followers


def _on_time(bucket: Bucket, world: World) -> Bucket:
    bucket = opening.remaining_followers(_after_clock_jump(bucket, world), world)
    if bucket.until is None or bucket.until > world.now:
        return bucket
    match bucket.state:
        case GateState.CLOSED:
            return opening.half_open(bucket, world)
        case GateState.HELD:
            return opening.after_hold(bucket, world)
    return evolve(bucket, state=GateState.OPEN, since=world.now, until=None, reason=None)


def _after_clock_jump(bucket: Bucket, world: World) -> Bucket:
    """Let a closure last no longer because the wall clock went back: a probe will tell."""
    back = bucket.since - world.now
    if back <= 0:
        return bucket
    until = bucket.until
    if until is not None and bucket.state is GateState.CLOSED:
        until -= back
    return evolve(bucket, since=world.now, until=until)


# -- what agents meet ---------------------------------------------------------------------------


def _signal(gate: Gate, signal: ApiSignal, client: Client, world: World) -> Gate:
    source = f"{client.name}: {signal.kind} in its turn"
    match signal.kind:
        case SignalKind.ANSWERED:
            return _answered(gate, signal, client, world)
        case SignalKind.WARNED:
            return _warned(gate, signal, source, world)
        case SignalKind.REJECTED:
            gate = _remember_signal(gate, signal.lease, signal.kind)
            closure = closing.limited(signal.window, signal.resets_at, signal.model, source)
            return _close(gate, closure, client, world)
        case SignalKind.UNAUTHORISED if (signal.lease, signal.kind) not in gate.signalled:
            gate = _remember_signal(gate, signal.lease, signal.kind)
            return _unauthorised(gate, signal.lease, source, "", client, world)
    return gate


def _turn_end(gate: Gate, end: TurnEnd, world: World) -> Gate:
    report, client = end.report, world.client(end.agent)
    signalled = {kind for lease, kind in gate.signalled if lease == end.lease}
    gate = _forget_signals(gate, end.lease)
    if report.outcome is Outcome.UNAUTHORISED:
        if SignalKind.UNAUTHORISED not in signalled:
            source = f"{client.name}: turn ended as {report.outcome}"
            gate = _unauthorised(gate, end.lease, source, report.detail, client, world)
    elif report.outcome is Outcome.SERVER_ERROR:
        gate = _server_error(gate, report, client, world)
    elif closure := closing.of_turn(gate, client, report):
        again = report.outcome is Outcome.LIMITED and SignalKind.REJECTED in signalled
        gate = _close(gate, closure, client, world, signalled=again)
    for bucket in gate.buckets:
        probe = bucket.probe
        if probe is None or probe.agent != client.name or not probe.took:
            continue
        if report.outcome is Outcome.COMPLETED:
            gate = gate.put(opening.opened(bucket, world, client.name))
        else:
            gate = gate.put(opening.without_probe(bucket))
    return gate


def _admit(gate: Gate, client: Client, world: World) -> Gate:
    if hold_of(gate, client, world.now) is not None:
        return gate
    for bucket in gate.buckets:
        if bucket.state is GateState.PROBING and bucket.concerns(client):
            probe = Probe(client.name, world.now, took=True)
            gate = gate.put(evolve(bucket, probe=probe))
    return gate


def _answered(gate: Gate, signal: ApiSignal, client: Client, world: World) -> Gate:
    """The API answers: the only thing, besides the operator, that opens what was closed.

    Only while it is tried: an answer to a request of before must not open what has just closed.
    """
    gate = evolve(_forget_signals(gate, signal.lease), first_refusal=None, first_failure=None)
    for bucket in gate.buckets:
        if not _is_about(bucket, client, signal.model):
            continue
        if bucket.state is GateState.PROBING:
            gate = gate.put(opening.opened(bucket, world, client.name))
        elif bucket.lets_through:
            gate = gate.put(evolve(bucket, tries=0))
    return gate


def _is_about(bucket: Bucket, client: Client, model: str | None) -> bool:
    if bucket.name == ALL_MODELS or model is None:
        return bucket.concerns(client)
    return bucket.name in (model, family(model), client.model)


def _warned(gate: Gate, signal: ApiSignal, source: str, world: World) -> Gate:
    warning = closing.limited(signal.window, signal.resets_at, signal.model, source)
    bucket = gate.bucket(warning.bucket)
    if not bucket.lets_through:
        return gate
    lasts = signal.resets_at or 0.0
    if not world.now < lasts <= world.now + world.settings.longest_limit_s:
        lasts = world.now + world.settings.warning_s
    share = signal.utilization
    used = f" is used to {share:.0%}" if share is not None and 0 <= share <= 10 else " is near"
    warned = evolve(
        bucket,
        state=GateState.WARNED,
        since=bucket.since if bucket.state is GateState.WARNED else world.now,
        until=lasts,
        reason=warning.reason + used,
        source=source,
    )
    return gate.put(warned)


def _unauthorised(
    gate: Gate, lease: str, source: str, detail: str, client: Client, world: World
) -> Gate:
    """The first refusal may be a race for a new token: the agent tries again at once."""
    if gate.first_refusal is None:
        return evolve(gate, first_refusal=lease)
    if gate.first_refusal == lease:
        return gate
    return _close(gate, closing.refused(gate, source, detail), client, world)


def _server_error(gate: Gate, report: TurnReport, client: Client, world: World) -> Gate:
    """The first one may be of that request alone: its agent waits by itself, and nobody else.

    So may one after the other of a single agent, as long as others work who would know better.
    """
    others = any(one.busy for one in world.clients if one.name != client.name)
    if gate.bucket(ALL_MODELS).lets_through:
        if gate.first_failure is None:
            return evolve(gate, first_failure=client.name)
        if gate.first_failure == client.name and others:
            return gate
    source = f"{client.name}: turn ended as {report.outcome}"
    return _close(gate, closing.failing(source, report.detail), client, world)


def _close(
    gate: Gate, closure: closing.Closure, client: Client, world: World, *, signalled: bool = False
) -> Gate:
    return gate.put(closing.close(gate.bucket(closure.bucket), closure, client, world, signalled))


def _remember_signal(gate: Gate, lease: str, kind: SignalKind) -> Gate:
    if (lease, kind) in gate.signalled:
        return gate
    return evolve(gate, signalled=(*gate.signalled, (lease, kind))[-MOST_SIGNALS:])


def _forget_signals(gate: Gate, lease: str) -> Gate:
    return evolve(gate, signalled=tuple(one for one in gate.signalled if one[0] != lease))


# -- what the operator does ------------------------------------------------------------------


def _command(gate: Gate, order: GateCommand, world: World) -> Gate:
    """Hold, release or probe, as the operator says. Raises ValueError with what is allowed."""
    known = dict.fromkeys((ALL_MODELS, *FAMILIES, *(one.name for one in gate.buckets)))
    if order.bucket is not None and order.bucket not in known:
        name = one_line(order.bucket, 80)
        raise ValueError(f"{name!r} is no bucket of {gate.credential}; allowed: {', '.join(known)}")
    match order.action:
        case "hold":
            name = order.bucket or ALL_MODELS
            return gate.put(_hold(gate.bucket(name), order, world))
        case "release":
            gate = evolve(gate, first_refusal=None, first_failure=None)
            for bucket in _named(gate, order):
                if not bucket.lets_through:
                    gate = gate.put(opening.opened(bucket, world, None, bucket.tries))
            return gate
        case "probe":
            for bucket in _named(gate, order):
                if bucket.state in (GateState.CLOSED, GateState.HELD):
                    gate = gate.put(opening.half_open(bucket, world))
            return gate
    raise ValueError(f"{one_line(order.action, 80)!r} is no action; allowed: hold, release, probe")


def _hold(bucket: Bucket, command: GateCommand, world: World) -> Bucket:
    if command.until is not None and not world.now < command.until < float("inf"):
        raise ValueError("a hold ends in the future, or with until None by `hive gate release`")
    reason = "held by the operator"
    if command.reason:
        reason = one_line(f"{reason}: {command.reason}", closing.MOST_REASON)
    return Bucket(
        name=bucket.name,
        state=GateState.HELD,
        condition=Condition.PARKED,
        since=world.now,
        until=command.until,
        reason=reason,
        source="operator",
        tries=bucket.tries,
        also=bucket.also,
        default_model=bucket.default_model,
    )


def _new_login(gate: Gate, world: World) -> Gate:
    """Try again what only a login, or an act outside, could have ended."""
    gate = evolve(gate, first_refusal=None, first_failure=None)
    for bucket in gate.buckets:
        if bucket.state is GateState.CLOSED and bucket.condition not in closing.BACKS_OFF:
            gate = gate.put(opening.half_open(bucket, world))
    return gate


def _named(gate: Gate, command: GateCommand) -> list[Bucket]:
    return [one for one in gate.buckets if command.bucket in (None, one.name)]
