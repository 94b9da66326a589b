"""A gate as a value: what is known of one credential. Times are in epoch seconds.

How it changes is decided by `hive.gate.policy`; who must wait because of it is read off it by
`hive.gate.holds`.
"""

import re

from attrs import evolve, field, frozen

from hive.supervisors import Backoff
from hive.wire.gates import ALL_MODELS, GateState
from hive.wire.states import Condition
from hive.wire.turns import SignalKind

FAMILIES = ("opus", "sonnet", "haiku", "fable")

DEFAULT_MODEL = "default-model"
"""The bucket of a missing model that neither the configuration nor the CLI named."""

_NAME = re.compile(r"[\w.@:/\[\]-]{1,80}", re.ASCII)


@frozen
class GateSettings:
    """How long a closed gate waits, and how those who waited follow each other; all in seconds.

    `margin_s` is added to a reported reset, because clocks differ; a reset beyond `longest_limit_s`
    is not believed (no known window is longer than seven days). `unknown_reset` and `overloaded`
    (also for an API that is not reached) are the waits when nobody said until when, by the number
    of closures in a row. A probe must take work within `take_within_s`, and its turn get an answer
    within `answer_within_s`, or another one is chosen. When a bucket opens, those who waited follow
    each other at intervals of about `spacing_s`. `warning_s` is how long a warning without an end
    is shown.
    """

    margin_s: float = 5.0
    spacing_s: float = 3.0
    longest_limit_s: float = 8 * 86400.0
    unknown_reset: Backoff = field(default=Backoff(initial=60.0, min=120.0, max=3600.0, jitter=0.2))
    overloaded: Backoff = field(default=Backoff(initial=10.0, min=20.0, max=600.0, jitter=0.2))
    take_within_s: float = 120.0
    answer_within_s: float = 900.0
    warning_s: float = 3600.0


@frozen
class Client:
    """An agent that uses the credential, as far as a gate's decisions need to know it.

    `model` is the configured one (None: the CLI's own choice), `queued` how many messages wait for
    it, `waiting_since` (epoch seconds) since when (None: nobody knows), `busy` whether it is in a
    turn.
    """

    name: str
    model: str | None = None
    queued: int = 0
    waiting_since: float | None = None
    busy: bool = False

    @property
    def turn_in_line(self) -> tuple[bool, float, str]:
        """A sort key: who waits longest comes first, who does not say since when comes last."""
        since = self.waiting_since
        return since is None, since or 0.0, self.name


@frozen
class Probe:
    """The one agent that tries, `since` it was chosen or, once it `took` work, since it did."""

    agent: str
    since: float
    took: bool = False


@frozen
class Follower:
    """An agent that waited and may go on at `at`; `condition` is why it had to wait."""

    agent: str
    at: float
    condition: Condition


@frozen
class Bucket:
    """What may be closed or open by itself: all models, or a family of them, or one model.

    `until` is when its state ends by itself (None: when somebody acts, or when its probe gets an
    answer), `reason` and `source` are texts for the operator, None while nothing has happened.
    `tries` counts the closures since the last answer, each closure once; `inconclusive` are the
    agents whose probe found out nothing, the latest last; `followers` may go on one after the other
    although the bucket is open. Besides the agents of its model it holds for those in `also`, and
    with `default_model` for those without a configured one: they ran into it.
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
    inconclusive: tuple[str, ...] = ()
    followers: tuple[Follower, ...] = ()
    also: frozenset[str] = frozenset()
    default_model: bool = False

    @property
    def lets_through(self) -> bool:
        """Whether agents may work, but for the followers whose time has not come."""
        return self.state in (GateState.OPEN, GateState.WARNED)

    def concerns(self, client: Client) -> bool:
        """Whether this agent must wait while the bucket is closed."""
        if self.name == ALL_MODELS or client.name in self.also:
            return True
        if client.model is None:
            return self.default_model
        return self.name in (client.model, family(client.model))


@frozen
class Gate:
    """All buckets of one credential; the bucket of all models is always there, and the first.

    `first_refusal` is the lease of the turn in which the credential was refused first since the
    last answer: the refresh of a token may lose a race once. `first_failure` is the agent that met
    the first failure of the API's server since then: that request alone may be to blame. Both are
    None if there was none. `signalled` are the leases and kinds of the signals whose turns have not
    ended: a signal and the end of its turn count once.
    """

    credential: str
    buckets: tuple[Bucket, ...] = field(default=(Bucket(ALL_MODELS),))
    first_refusal: str | None = None
    first_failure: str | None = None
    signalled: tuple[tuple[str, SignalKind], ...] = ()

    def bucket(self, name: str) -> Bucket:
        """The bucket of that name; a new, open one if there is none."""
        return next((one for one in self.buckets if one.name == name), Bucket(name))

    def put(self, bucket: Bucket) -> "Gate":
        """The gate with this bucket in the place of the one of its name, or added."""
        if bucket in self.buckets:
            return self
        there = {one.name: one for one in self.buckets} | {bucket.name: bucket}
        return evolve(self, buckets=tuple(there.values()))


@frozen
class World:
    """What a decision depends on besides the gate; `chance` is a random number in [0, 1).

    Taken anew for each decision, which is thereby a function of values.
    """

    clients: tuple[Client, ...]
    now: float
    chance: float = 0.0
    settings: GateSettings = field(factory=GateSettings)

    def client(self, name: str) -> Client:
        """The agent of that name; one without work or model if it uses the credential no more."""
        return next((one for one in self.clients if one.name == name), Client(name))


def gate_of(credential: str, buckets: tuple[Bucket, ...]) -> Gate:
    """The gate with the buckets that were kept for it; that of all models comes first."""
    gate = Gate(credential)
    for bucket in sorted(buckets, key=lambda one: one.name != ALL_MODELS):
        gate = gate.put(bucket)
    return gate


def family(model: str | None) -> str | None:
    """The model family that a name speaks of, None if of none that is known.

    `claude-opus-5-5` and `seven_day_opus` are both of the family opus.
    """
    words = re.split(r"[^a-z]+", (model or "").lower())
    return next((one for one in FAMILIES if one in words), None)


def window_bucket(window: str | None) -> str:
    """The bucket of a limit's window, in the CLI's words; unknown windows hold for all models."""
    return family(window) or ALL_MODELS


def model_bucket(*names: str | None) -> str:
    """The bucket of one model that does not exist: the first of its names that is one."""
    return next((name for name in names if name and _NAME.fullmatch(name)), DEFAULT_MODEL)
