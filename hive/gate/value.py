"""A gate as a value: what is known of one credential. Times in epoch seconds.

The decisions are functions of it (`step`), and so is what everybody sees of it (`view`).
"""

from attrs import evolve, field, frozen

from hive.gate.client import Client
from hive.gate.names import family
from hive.gate.settings import GateSettings
from hive.wire import ALL_MODELS, Condition, GateState, SignalKind


@frozen
class Probe:
    """The one agent that tries; `since` it was chosen, or since it `took` work."""

    agent: str
    since: float
    took: bool = False


@frozen
class Follower:
    """An agent that may go on at `at`; `condition` is why it had to wait."""

    agent: str
    at: float
    condition: Condition


@frozen
class Bucket:
    """All models, or a family of them, or one.

    `tries` counts the closures since the last answer, each closure once; `passed` are those whose
    probe found out nothing, the latest last; `followers` may go on one after the other although the
    bucket is open. Besides the agents of its model it holds for those in `also`, and with
    `default_model` for those without a configured one: they ran into it.
    """

    name: str
    state: GateState = GateState.OPEN
    condition: Condition = Condition.ONLINE
    since: float = 0.0
    until: float | None = None
    reason: str | None = None
    source: str | None = None
    tries: int = 0
    probe: Probe | None = None
    passed: tuple[str, ...] = ()
    followers: tuple[Follower, ...] = ()
    also: frozenset[str] = frozenset()
    default_model: bool = False

    @property
    def lets_through(self) -> bool:
        """Whether it is open, but for those who still follow."""
        return self.state in (GateState.OPEN, GateState.WARNED)

    def concerns(self, client: Client) -> bool:
        """Whether this agent waits for it."""
        if self.name == ALL_MODELS or client.name in self.also:
            return True
        if client.model is None:
            return self.default_model
        return self.name in (client.model, family(client.model))


@frozen
class Gate:
    """All buckets of one credential; that of all models is always there, and the first.

    `suspect` is the lease of the first refusal since the last answer: the refresh of a token may
    lose a race once. `unwell` is the agent that met the first failure of the API's server since
    then: that request alone may be to blame. `told` are the signals whose turns have not ended:
    both count as one.
    """

    credential: str
    buckets: tuple[Bucket, ...] = field(default=(Bucket(ALL_MODELS),))
    suspect: str | None = None
    unwell: str | None = None
    told: tuple[tuple[str, SignalKind], ...] = ()

    def bucket(self, name: str) -> Bucket:
        """The one of that name; a new one if there is none."""
        return next((one for one in self.buckets if one.name == name), Bucket(name))

    def put(self, bucket: Bucket) -> "Gate":
        """With this bucket in the place of the one of its name."""
        if bucket in self.buckets:
            return self
        there = {one.name: one for one in self.buckets} | {bucket.name: bucket}
        return evolve(self, buckets=tuple(there.values()))


@frozen
class World:
    """What a decision depends on besides the gate; `chance` is a random number in [0, 1)."""

    clients: tuple[Client, ...]
    now: float
    chance: float = 0.0
    settings: GateSettings = field(factory=GateSettings)

    def client(self, name: str) -> Client:
        """The agent of that name; one of which nothing is known if there is none."""
        return next((one for one in self.clients if one.name == name), Client(name))
