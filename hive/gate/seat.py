"""What outlives the actor of a gate: its last value, and what could not be said to it."""

from collections import deque

import trio
from attrs import define, field

from hive.gate.events import Event
from hive.gate.table import Row
from hive.gate.value import Bucket, Gate
from hive.wire import ALL_MODELS

MOST_SAID = 256


@define(eq=False)
class Seat:
    """One credential's gate. Only its actor changes `gate`; everybody may look at it.

    `said` are events that its actor has not decided yet, whether one runs or not, `denied` the
    agents that were refused without it and wait to be told, `saved` what the table holds, by
    bucket.
    """

    gate: Gate
    saved: dict[str, Row] = field(factory=dict)
    said: deque[Event] = field(factory=lambda: deque(maxlen=MOST_SAID))
    denied: set[str] = field(factory=set)
    up: trio.Event = field(factory=trio.Event)
    """Set while its actor works; replaced when that ends."""
    looking: bool = False
    """Whether a look at the agents is under way already."""


def gate_of(credential: str, buckets: tuple[Bucket, ...]) -> Gate:
    """The gate with these kept buckets; that of all models comes first."""
    gate = Gate(credential)
    for bucket in sorted(buckets, key=lambda one: one.name != ALL_MODELS):
        gate = gate.put(bucket)
    return gate
