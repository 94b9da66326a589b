"""What follows from a gate: who must wait and why, what the operator reads, when to look again.

Pure: all of it is read off the gate's value and kept nowhere.
"""

from attrs import evolve, frozen

from hive.gate.gate import Bucket, Client, Gate, World
from hive.wire.gates import ALL_MODELS, GateState, GateStatus
from hive.wire.logins import DEFAULT_CREDENTIAL
from hive.wire.states import Condition

SOON_S = 0.05
"""No look is due earlier than this from now: a defect must not become a busy loop."""


@frozen
class Hold:
    """Why an agent must not take work for now; gates decide so, and budgets in the same words.

    `until` is in epoch seconds, None when only somebody's act ends it.
    """

    condition: Condition
    reason: str
    until: float | None = None
    credential: str = DEFAULT_CREDENTIAL


def hold_of(gate: Gate, client: Client, now: float) -> Hold | None:
    """Why this agent must not take work now, None if it may.

    Of several reasons it is the one that lasts longest.
    """
    holds = [hold for one in gate.buckets if (hold := hold_in_bucket(gate, one, client, now))]
    return max(holds, key=_ends) if holds else None


def hold_in_bucket(gate: Gate, bucket: Bucket, client: Client, now: float) -> Hold | None:
    """Why this agent must wait for this one bucket, None if it need not."""
    if not bucket.concerns(client):
        return None
    reason = bucket.reason or bucket.condition.value
    if bucket.name != ALL_MODELS:
        reason = f"{bucket.name}: {reason}"
    hold = Hold(bucket.condition, reason, bucket.until, gate.credential)
    match bucket.state:
        case GateState.CLOSED | GateState.HELD:
            return hold
        case GateState.PROBING:
            probe = bucket.probe
            if probe is None or probe.agent == client.name:
                return None
            return evolve(hold, reason=f"waits for the probe of {probe.agent}: {reason}")
    for one in bucket.followers:
        if one.agent == client.name and one.at > now:
            return Hold(one.condition, "goes on in its turn", one.at, gate.credential)
    return None


def is_quiet(gate: Gate) -> bool:
    """Whether nobody waits and nobody could have to."""
    return all(one.lets_through and not one.followers for one in gate.buckets)


def statuses(gate: Gate, world: World) -> tuple[GateStatus, ...]:
    """Every bucket as the operator reads it, in the order of the gate."""
    return tuple(_status(gate, one, world) for one in gate.buckets)


def next_look(gate: Gate, world: World) -> float | None:
    """When time alone will change something, in epoch seconds; None if only an event will."""
    dues = [due for one in gate.buckets for due in _dues(one, world)]
    return max(min(dues), world.now + SOON_S) if dues else None


def probe_timeout(bucket: Bucket, world: World) -> float:
    """After how many seconds a probe is given up: before it has work, or in its turn."""
    probe, settings = bucket.probe, world.settings
    if probe is not None and probe.took and world.client(probe.agent).busy:
        return settings.answer_within_s
    return settings.take_within_s


def _dues(bucket: Bucket, world: World) -> list[float]:
    dues = [one.at for one in bucket.followers]
    if bucket.until is not None:
        dues.append(bucket.until)
    if bucket.probe is not None:
        dues.append(bucket.probe.since + probe_timeout(bucket, world))
    return dues


def _status(gate: Gate, bucket: Bucket, world: World) -> GateStatus:
    waiting = [one for one in world.clients if hold_in_bucket(gate, bucket, one, world.now)]
    return GateStatus(
        credential=gate.credential,
        bucket=bucket.name,
        state=bucket.state,
        condition=bucket.condition,
        since=bucket.since,
        until=bucket.until,
        reason=bucket.reason,
        source=bucket.source,
        tries=bucket.tries,
        probe=None if bucket.probe is None else bucket.probe.agent,
        waiting=len(waiting),
        queued=sum(one.queued for one in waiting),
    )


def _ends(hold: Hold) -> float:
    return float("inf") if hold.until is None else hold.until
