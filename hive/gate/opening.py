"""How a bucket opens again: one agent tries, the others follow one after the other. Pure.

The state between is that of a circuit breaker that is half open: a single request finds out.
"""

from attrs import evolve

from hive.gate.gate import Bucket, Client, Follower, Gate, Probe, World
from hive.gate.holds import hold_in_bucket, probe_timeout
from hive.wire.gates import GateState

_GOLDEN = 0.6180339887
"""Multiples of the golden ratio, modulo 1, are spread evenly: one random number serves a line."""


def half_open(bucket: Bucket, world: World) -> Bucket:
    """The bucket when its wait is over: one agent tries it, as soon as one has work."""
    was_held = bucket.state is GateState.HELD
    return evolve(
        bucket,
        state=GateState.PROBING,
        since=world.now,
        until=None,
        reason=f"was {bucket.reason}" if was_held else bucket.reason,
        probe=None,
        inconclusive=(),
    )


def opened(bucket: Bucket, world: World, first: str | None, tries: int = 0) -> Bucket:
    """The bucket when it opens: those with work follow the agent `first` at intervals.

    With None for `first`, the one that waited longest goes on at once and the others follow it.
    """
    line = [
        one
        for one in world.clients
        if bucket.concerns(one) and one.queued and not one.busy and one.name != first
    ]
    line.sort(key=lambda one: one.turn_in_line)
    if first is None:
        line = line[1:]
    condition = bucket.condition
    followers = tuple(
        Follower(one.name, world.now + _delay(place, world), condition)
        for place, one in enumerate(line)
    )
    return Bucket(
        name=bucket.name,
        since=world.now,
        tries=tries,
        followers=followers if world.settings.spacing_s > 0 else (),
        also=bucket.also,
        default_model=bucket.default_model,
    )


def with_probe(gate: Gate, bucket: Bucket, world: World) -> Bucket:
    """The bucket with an agent that tries it, if any has work.

    A probe that has taken too long is replaced.
    """
    probe = bucket.probe
    if probe is not None and _still_tries(gate, bucket, probe, world):
        return evolve(bucket, probe=evolve(probe, since=min(probe.since, world.now)))
    if probe is not None:
        bucket = without_probe(bucket)
    ready = [one for one in world.clients if _may_try(gate, bucket, one, world) and not one.busy]
    if not ready:
        return bucket
    places = {name: place for place, name in enumerate(bucket.inconclusive)}
    chosen = min(ready, key=lambda one: (places.get(one.name, -1), *one.turn_in_line))
    return evolve(bucket, probe=Probe(chosen.name, world.now))


def without_probe(bucket: Bucket) -> Bucket:
    """The bucket without its probe, which found out nothing: another one comes next."""
    if bucket.probe is None:
        return bucket
    name = bucket.probe.agent
    others = (one for one in bucket.inconclusive if one != name)
    return evolve(bucket, probe=None, inconclusive=(*others, name))


def remaining_followers(bucket: Bucket, world: World) -> Bucket:
    """The bucket without the followers whose time has come, or who are gone.

    Nobody waits longer than its place in the line needs: the wall clock may have gone back.
    """
    if not bucket.followers:
        return bucket
    names = {one.name for one in world.clients}
    left = [one for one in bucket.followers if one.at > world.now and one.agent in names]
    latest = [world.now + _latest(place, world) for place in range(len(left))]
    followers = tuple(
        one if one.at <= most else evolve(one, at=most)
        for one, most in zip(left, latest, strict=True)
    )
    return evolve(bucket, followers=followers)


def after_hold(bucket: Bucket, world: World) -> Bucket:
    """The bucket when the operator's hold ends by itself: tried first if it was closed then."""
    if bucket.tries:
        return half_open(bucket, world)
    return opened(bucket, world, None)


def _still_tries(gate: Gate, bucket: Bucket, probe: Probe, world: World) -> bool:
    client = next((one for one in world.clients if one.name == probe.agent), None)
    if client is None or world.now - probe.since >= probe_timeout(bucket, world):
        return False
    return probe.took or _may_try(gate, bucket, client, world)


def _may_try(gate: Gate, bucket: Bucket, client: Client, world: World) -> bool:
    """Whether it has work, and no other bucket keeps it from it."""
    return (
        client.queued > 0
        and bucket.concerns(client)
        and all(
            hold_in_bucket(gate, one, client, world.now) is None
            for one in gate.buckets
            if one.name != bucket.name
        )
    )


def _delay(place: int, world: World) -> float:
    """Seconds from now for the n-th of the line: at intervals of 1/2 to 3/2 of the spacing."""
    jitter = (world.chance + place * _GOLDEN) % 1.0
    return world.settings.spacing_s * (place + 0.5 + jitter / 2)


def _latest(place: int, world: World) -> float:
    return world.settings.spacing_s * (place + 1.5)
