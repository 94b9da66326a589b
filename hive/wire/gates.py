"""Gates: whether the API takes work on a credential."""

from enum import StrEnum

from attrs import frozen

from hive.wire.states import Condition

ALL_MODELS = "all"
"""The bucket of a limit that holds for every model."""


class GateState(StrEnum):
    """States of one bucket (all models, or a model family) of a credential."""

    OPEN = "open"
    WARNED = "warned"
    """Open, but the API warned that the limit is near."""
    CLOSED = "closed"
    PROBING = "probing"
    """The wait is over: one agent tries, the others wait for what it finds."""
    HELD = "held"
    """Closed by the operator."""


@frozen
class GateStatus:
    """One bucket of a credential; times in epoch seconds.

    `condition` says why agents wait (online: they do not), `source` who found it out and how,
    `tries` how often in a row it was closed, `probe` the agent that tries, `waiting` and `queued`
    the agents that wait for it and their messages.
    """

    credential: str
    bucket: str
    state: GateState
    condition: Condition
    since: float
    until: float | None = None
    reason: str | None = None
    source: str | None = None
    tries: int = 0
    probe: str | None = None
    waiting: int = 0
    queued: int = 0


@frozen
class GetGates:
    """Every bucket of every credential in use; answered with `Gates`."""


@frozen
class Gates:
    gates: tuple[GateStatus, ...]


@frozen
class GateCommand:
    """The operator's hand on a credential: `action` is `hold`, `release` or `probe`.

    `bucket` None: all of its buckets; `until` (epoch seconds) ends a hold by itself.
    """

    credential: str
    action: str
    bucket: str | None = None
    reason: str | None = None
    until: float | None = None


@frozen
class GateChanged:
    """A bucket of a credential changed its state."""

    gate: GateStatus


OperatorReads = GetGates
OperatorActs = GateCommand
FromDaemon = Gates
EventKinds = GateChanged
