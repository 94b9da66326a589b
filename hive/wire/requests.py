"""Requests, their answers and pushes. One union for each socket: what is not in it cannot be asked.

`AgentBody` is all that a container may say, `ControlBody` the operator, `WebBody` the web process.
"""

from enum import StrEnum

from attrs import field, frozen

from hive.wire.events import Event, EventBatch, Events, Follow, GetEvents, Resync
from hive.wire.limits import (
    DEFAULT_CREDENTIAL,
    ApiSignal,
    Budgets,
    GateCommand,
    Gates,
    GetBudgets,
    GetGates,
    GetLogin,
    LoggedIn,
    LoginCommand,
    SetBudget,
    SetCredential,
    Spending,
    UseCredential,
)
from hive.wire.mail import Ack, GetInbox, GetThread, GetUndelivered, Inbox, Resolve
from hive.wire.model import AgentStatus, Lease, Message, Status, TreeNode, TurnReport
from hive.wire.questions import AgentDesk, ControlDesk, DeskBody, GetQuestions
from hive.wire.reminders import (
    AgentReminderBody,
    ControlReminderBody,
    GetReminders,
    GetSchedules,
    ReminderBody,
    ReminderRollup,
)

# --- harness asks daemon -----------------------------------------------------------------------


@frozen
class Send:
    """Send `body` to an agent or the operator; the answer `Sent` comes after the commit."""

    to: str
    body: str
    in_reply_to: int | None = None
    key: str | None = None
    urgent: bool = False


@frozen
class Sent:
    id: int


@frozen
class Take:
    """Ask for the next lease and say that this instance holds none; answered within `wait` s."""

    wait: float


@frozen
class Taken:
    """A lease, or none and why (`until` in epoch seconds when the agent is parked)."""

    lease: Lease | None = None
    reason: str | None = None
    until: float | None = None


@frozen
class Recv:
    """Take up to `max` more messages into the running turn's lease, waiting at most `wait` s."""

    lease: str
    max: int = 10
    wait: float = 0.0


@frozen
class Finish:
    """The turn of this lease ended; the daemon acknowledges or returns it, once.

    May be repeated until it is answered. A failure `store_…` says that it is not written yet.
    """

    lease: str
    report: TurnReport


@frozen
class Emit:
    """The instance's events from its `first`-th on (counted from 0), so that none doubles.

    Each with the time at which it happened (epoch seconds).
    """

    first: int
    events: tuple[tuple[float, Event], ...]


@frozen
class Report:
    """The harness's own tree (pushed on change and every few seconds)."""

    tree: TreeNode
    turn: str | None = None
    session: str | None = None
    model: str | None = None


@frozen
class Done:
    """Done; nothing to say."""


# --- daemon pushes to harness ------------------------------------------------------------------


@frozen
class HarnessSettings:
    """What a harness needs for its turns; travels in `Welcome` and as a push when it changed."""

    agent: str
    model: str | None = None
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    claude: str | None = None
    peers: tuple[str, ...] = ()
    orphan_after_s: float = 900.0
    turn_silence_s: float = 600.0
    body_cap: int = 16384
    fallback_models: tuple[str, ...] = ()
    """Models that the CLI may use instead, when the agent's is overloaded or does not exist."""


@frozen
class StopHarness:
    """End within `grace` seconds: interrupt the turn, return, exit."""

    grace: float


@frozen
class Interrupt:
    """Interrupt the running turn; `over_budget` is then its outcome."""

    over_budget: bool = False


# --- operator and web ask daemon ---------------------------------------------------------------


@frozen
class GetStatus:
    """The whole hive; answered with `Status`."""


@frozen
class Spawn:
    """Create and start an agent; `may_send` as in SetRights."""

    name: str
    driver: str | None = None
    model: str | None = None
    credential: str = DEFAULT_CREDENTIAL
    may_send: tuple[str, ...] | None = None


@frozen
class SetRights:
    """To whom an agent may send, besides the manager and the operator; None: to all.

    EVERYBODY among them allows broadcasts, which reach all.
    """

    name: str
    may_send: tuple[str, ...] | None


@frozen
class AgentCommand:
    """`action` is `start`, `stop`, `restart` or `destroy`."""

    name: str
    action: str


@frozen
class TreeCommand:
    """The operator's hand on one supervised child.

    `action` is `park`, `unpark`, `kick`, `suspend` or `resume`; `path` as the status shows it, or
    an agent's name for whether it takes work; `until` (epoch seconds) ends a park by itself.
    """

    path: str
    action: str
    reason: str | None = None
    until: float | None = None


@frozen
class GetChild:
    """One supervised child with all below it and its history."""

    path: str


@frozen
class Happening:
    """One line of a child's history; `at` in epoch seconds."""

    at: float
    event: str
    incarnation: int
    text: str


@frozen
class Child:
    """`report` is its last failure in full, if it had one."""

    node: TreeNode
    history: tuple[Happening, ...]
    report: str = ""


@frozen
class GetAudit:
    """The newest `limit` acts of operators."""

    limit: int = 100


class ActOutcome(StrEnum):
    """What came of an operator's act."""

    DONE = "done"
    REFUSED = "refused"
    """It is not allowed, or cannot be: nothing was changed."""
    FAILED = "failed"
    """It was tried, and did not work."""
    UNKNOWN = "unknown"
    """No end was recorded: the daemon died first, whoever asked was gone, or it is under way."""


@frozen
class AuditEntry:
    """Who did what to whom, and what came of it and why; `at` in epoch seconds."""

    at: float
    who: str
    action: str
    target: str
    detail: str
    outcome: ActOutcome = ActOutcome.UNKNOWN
    why: str = ""


@frozen
class Audit:
    """Oldest first."""

    entries: tuple[AuditEntry, ...]


@frozen
class OperatorSend:
    """A message of the operator, or (control socket only) in the name of `sender`."""

    to: str
    body: str
    sender: str = "operator"
    in_reply_to: int | None = None
    key: str | None = None
    urgent: bool = False


@frozen
class Count:
    count: int


@frozen
class WaitReply:
    """Wait at most `wait` s for the answer to the operator's message; answered with `Awaited`."""

    message: int
    wait: float


@frozen
class Awaited:
    """The operator's message as it is now, and its answer if there is one.

    A `question` that is dead or held gets none any more; `bounce` says why it is dead. In any other
    state the time was over, and an answer may come yet.
    """

    question: Message
    answer: Message | None = None
    bounce: Message | None = None


@frozen
class Down:
    """Stop the hive and every container of it."""


Body = (
    Send
    | Sent
    | Take
    | Taken
    | Recv
    | GetThread
    | Finish
    | Emit
    | Report
    | Done
    | HarnessSettings
    | StopHarness
    | Interrupt
    | GetStatus
    | Status
    | Spawn
    | AgentCommand
    | AgentStatus
    | TreeCommand
    | GetChild
    | Child
    | GetAudit
    | Audit
    | OperatorSend
    | GetInbox
    | Inbox
    | Ack
    | Count
    | WaitReply
    | Awaited
    | GetEvents
    | Events
    | Follow
    | EventBatch
    | Resync
    | Down
    | ApiSignal
    | Spending
    | GetGates
    | Gates
    | GateCommand
    | SetCredential
    | GetLogin
    | LoginCommand
    | LoggedIn
    | UseCredential
    | GetBudgets
    | Budgets
    | SetBudget
    | GetUndelivered
    | Resolve
    | SetRights
    | ReminderBody
    | DeskBody
)

AgentBody = Send | Take | Recv | GetThread | Finish | Emit | Report | AgentReminderBody | AgentDesk
ControlBody = (
    GetStatus
    | Spawn
    | AgentCommand
    | TreeCommand
    | GetChild
    | GetAudit
    | OperatorSend
    | GetInbox
    | Ack
    | WaitReply
    | GetEvents
    | Follow
    | Down
    | GetGates
    | GateCommand
    | SetCredential
    | GetLogin
    | LoggedIn
    | UseCredential
    | GetBudgets
    | SetBudget
    | GetUndelivered
    | Resolve
    | SetRights
    | ControlReminderBody
    | ControlDesk
    | GetThread
)
WebBody = GetStatus | OperatorSend | GetInbox | GetEvents | Follow

QUESTIONS = (
    GetStatus,
    GetInbox,
    GetThread,
    GetUndelivered,
    WaitReply,
    GetEvents,
    Follow,
    GetChild,
    GetAudit,
    GetGates,
    GetBudgets,
    GetLogin,
    GetQuestions,
    GetReminders,
    ReminderRollup,
    GetSchedules,
)
"""What of ControlBody and WebBody changes nothing; everything else is an act."""
