"""What the operator does to a gate."""

from attrs import evolve

from hive.gate import closing, opening
from hive.gate.names import FAMILIES
from hive.gate.value import Bucket, Gate, World
from hive.supervisors import one_line
from hive.wire import ALL_MODELS, Condition, GateCommand, GateState


def command(gate: Gate, order: GateCommand, world: World) -> Gate:
    """Hold, release or probe. Raises ValueError with what is allowed."""
    known = dict.fromkeys((ALL_MODELS, *FAMILIES, *(one.name for one in gate.buckets)))
    if order.bucket is not None and order.bucket not in known:
        name = one_line(order.bucket, 80)
        raise ValueError(f"{name!r} is no bucket of {gate.credential}; allowed: {', '.join(known)}")
    match order.action:
        case "hold":
            name = order.bucket or ALL_MODELS
            return gate.put(_hold(gate.bucket(name), order, world))
        case "release":
            gate = evolve(gate, suspect=None, unwell=None)
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


def new_login(gate: Gate, world: World) -> Gate:
    """Try again what only a login, or an act outside, could have ended."""
    gate = evolve(gate, suspect=None, unwell=None)
    for bucket in gate.buckets:
        if bucket.state is GateState.CLOSED and bucket.condition not in closing.BACKS_OFF:
            gate = gate.put(opening.half_open(bucket, world))
    return gate


def _named(gate: Gate, command: GateCommand) -> list[Bucket]:
    return [one for one in gate.buckets if command.bucket in (None, one.name)]
