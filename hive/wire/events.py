"""LiveEvents: everything the operator can watch, as one closed union tagged by `kind`."""

from attrs import frozen

from hive.wire import agents, approvals, budgets, daemon, gates, messages, tree, turns

Event = (
    messages.EventKinds
    | turns.EventKinds
    | tree.EventKinds
    | agents.EventKinds
    | gates.EventKinds
    | budgets.EventKinds
    | approvals.EventKinds
    | daemon.EventKinds
)


@frozen
class LiveEvent:
    """An event with its place in the hive's one sequence; it happened `at` (epoch seconds).

    `agent` is whom it is about; None: the hive. What came late has its own time, which may be
    before that of an event with a smaller `seq`.
    """

    seq: int
    at: float
    agent: str | None
    event: Event


@frozen
class GetEvents:
    """The newest `limit` events above `since`, of one agent or of all; oldest first."""

    agent: str | None = None
    since: int = 0
    limit: int = 500


@frozen
class Events:
    """Events, oldest first; `seq` is the number of the last one that the hive has had."""

    events: tuple[LiveEvent, ...]
    seq: int


@frozen
class Follow:
    """Push each `EventBatch` of what comes after the number `since`; answered with `Done` first.

    An `agent` of None follows all.
    """

    agent: str | None = None
    since: int = 0


@frozen
class EventBatch:
    """Pushed to whoever follows: the next events, oldest first."""

    events: tuple[LiveEvent, ...]


@frozen
class Resync:
    """Pushed instead of events that were lost to a slow reader: take a new snapshot."""


OperatorReads = GetEvents | Follow
FromPage = GetEvents | Follow
FromDaemon = Events | EventBatch | Resync
