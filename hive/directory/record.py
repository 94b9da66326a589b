"""What is kept of one agent: which of its parks is in force, and whom it may send to."""

from attrs import evolve, frozen

from hive.wire.logins import DEFAULT_CREDENTIAL, OWN_LOGIN
from hive.wire.names import OPERATOR

MANAGER = "manager"
"""The agent that leads the others, if there is one of that name."""

ALWAYS = frozenset({OPERATOR, MANAGER})


@frozen
class AgentPark:
    """Take no work until `until` (epoch seconds), or with None until somebody unparks the agent."""

    reason: str
    until: float | None


def park_in_force(
    operator: AgentPark | None, turn: AgentPark | None, now: float
) -> AgentPark | None:
    """Which of the two parks keeps the agent from work at `now`, or None.

    The operator's comes first. When it ends, that of the agent's failed turns is in force again, if
    it has not ended meanwhile.
    """
    for park in (operator, turn):
        if park is not None and (park.until is None or park.until > now):
            return park
    return None


@frozen
class AgentRecord:
    """One row; `credential` is a name or OWN_LOGIN.

    `may_send`: to whom it may send, EVERYBODY for broadcasts; None: no limit. `operator_park` is
    the operator's and `turn_park` that of the agent's own failed turns, of which there were
    `failures` in a row; see `park_in_force`. `status_line` is what the agent shows to the operator.
    """

    name: str
    driver: str
    model: str | None = None
    wanted: bool = True
    operator_park: AgentPark | None = None
    turn_park: AgentPark | None = None
    failures: int = 0
    credential: str = DEFAULT_CREDENTIAL
    may_send: tuple[str, ...] | None = None
    status_line: str = ""


LONGEST_TURN_PARK_S = 4_500.0
"""No turn that failed parks its agent for longer; the rule is `hive.agents.policy.after_turn`."""


def bounded(turn: AgentPark | None, now: float) -> AgentPark | None:
    """A stored park of a failed turn, ending no later than a turn that fails `now` could order.

    Without this, a clock that was set back while no daemon ran would make it last for hours.
    """
    longest = now + LONGEST_TURN_PARK_S
    if turn is None or turn.until is None or turn.until <= longest:
        return turn
    return evolve(turn, until=longest)


def credential_key(record: AgentRecord) -> str:
    """The account behind the agent: agents of one key share its limits.

    `own:NAME` for a login of its own, which no other agent shares (refresh tokens work once).
    """
    own = record.credential == OWN_LOGIN
    return f"{OWN_LOGIN}:{record.name}" if own else record.credential


@frozen
class Rights:
    """The recipients that one agent is limited to; EVERYBODY among them allows broadcasts.

    `recipients` None: no limit. The operator and the manager can always be written to,
    and everybody may write to himself.
    """

    recipients: frozenset[str] | None = None

    def allow(self, name: str) -> bool:
        """Whether one may write to `name`, or for EVERYBODY to all."""
        return self.recipients is None or name in ALWAYS or name in self.recipients
