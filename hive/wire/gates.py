"""Gates: whether the API takes work on a credential."""

from enum import StrEnum

from attrs import frozen

from hive.wire.states import Condition

ALL_MODELS = "all"
"""The name of the bucket of limits that hold for every model."""


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
    """One bucket of a credential; times in epoch seconds."""

    credential: str
    bucket: str
    """ALL_MODELS, a family of models such as `opus`, or one model."""
    state: GateState
    condition: Condition
    """Why agents wait; `online`: they do not."""
    since: float
    until: float | None = None
    """When it ends by itself; None: when somebody acts."""
    reason: str | None = None
    source: str | None = None
    """Who found out, and how: an agent's turn, a probe, the operator."""
    tries: int = 0
    """How often in a row it was closed."""
    probe: str | None = None
    """The agent that tries for all; None: none does."""
    waiting: int = 0
    """Agents that wait for it."""
    queued: int = 0
    """Messages of the agents that wait for it."""


@frozen
class GetGates:
    """Every bucket of every credential in use; answered with `Gates`."""


@frozen
class Gates:
    """Every bucket of every credential in use."""

    gates: tuple[GateStatus, ...]


@frozen
class GateCommand:
    """Act on the gate of a credential; `action` is `hold`, `release` or `probe`.

    A `bucket` of None means ALL_MODELS for a hold, else every bucket. A hold ends by itself at
    `until` (epoch seconds); None: when it is released.
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
