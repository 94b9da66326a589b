"""A deployment, the events that move it and the effects that it asks for: values only.

What happens to it is decided in `hive.deployments.policy`.
"""

from enum import StrEnum

from attrs import field, frozen

from hive.approvals import ApprovalState
from hive.supervisors import Backoff


class DeploymentState(StrEnum):
    """Where a deployment is."""

    QUEUED = "queued"
    BUILDING = "building"
    STOPPING = "stopping"
    """What ran before finishes its turn and ends."""
    STARTING = "starting"
    PROVING = "proving"
    """The new harness is connected, and has to show that it works."""
    DEPLOYED = "deployed"
    FAILED = "failed"
    """There is nothing to return to: no commit of this agent was ever deployed."""
    REVERTING = "reverting"
    """The last deployed commit is started again, without a proof."""
    REVERTED = "reverted"
    """The commit failed, and the last deployed one is what the agent runs."""
    STRANDED = "stranded"
    """The commit failed, and the last deployed one does not start either."""


OVER = frozenset(
    {
        DeploymentState.DEPLOYED,
        DeploymentState.FAILED,
        DeploymentState.REVERTED,
        DeploymentState.STRANDED,
    }
)
_IN_TRANSITION = frozenset(
    {
        DeploymentState.STOPPING,
        DeploymentState.STARTING,
        DeploymentState.PROVING,
        DeploymentState.REVERTING,
    }
)


class Cause(StrEnum):
    """Whose fault a failure is: the commit's own, or what the hive depends on."""

    OWN = "own"
    API = "api"
    DISK = "disk"
    REGISTRY = "registry"
    HOST = "host"
    """Anything else of the machine or of the daemon itself."""


class Quarantined(Exception):
    """The commit has failed and is not tried again by itself; the text says what to do."""

    code = "quarantined"


@frozen
class DeploymentLimits:
    """Seconds for each step, for the whole, and for the waits between tries."""

    build_s: float = 600.0
    drain_s: float = 300.0
    """How long a turn may go on before it is interrupted."""
    stop_s: float = 60.0
    """How long the stop may take after that."""
    start_s: float = 60.0
    prove_s: float = 900.0
    stay_up_s: float = 10.0
    whole_s: float = 1800.0
    """All steps together, without a revert and without waits."""
    outage_s: float = 6 * 3600.0
    """So long an outside cause may last before somebody is told; it goes on waiting."""
    backoff: Backoff = field(default=Backoff(initial=5.0, min=10.0, max=900.0))


DEFAULT_LIMITS = DeploymentLimits()


@frozen
class DeploymentRequest:
    """A commit that somebody wants an agent to run; of an agent that runs it, a rebuild.

    `approval` is None for what needs none. `hot`: it can be applied without a restart.
    `drain` False: the turn in progress is interrupted at once. `by_hand`: the operator tries what
    is in quarantine again. `rollout` is the number of the rollout that it belongs to, or None.
    """

    agent: str
    commit: str
    by: str
    approval: int | None = None
    hot: bool = False
    drain: bool = True
    by_hand: bool = False
    rollout: int | None = None


@frozen
class Outage:
    """Why a step waits: a cause outside of the commit. Times in epoch seconds.

    `tries` have failed since `since`; the next one is due at `retry_at`, None while it runs.
    `told`: somebody was told that it lasts.
    """

    cause: Cause
    reason: str
    since: float
    tries: int = 1
    retry_at: float | None = None
    told: bool = False


@frozen
class Deployment:
    """The newest deployment of an agent: the record that is kept on disk. Times in epoch seconds.

    `previous` is the commit that was deployed before, None if none ever was. `since` is when it
    came into its state and `began_at` when its work began. `touched`: the agent may run something
    else than `previous` by now, or nothing. `attempt` counts the times that work was begun, and
    `generation` the starts of a container, each through all deployments of the agent. `spent_s` is
    what its finished steps took. `next` takes its place as soon as the agent is up again.

    `cause` and `reason` say why it failed; a cause of None is nobody's fault. `outage` is what its
    step waits for or has waited for, None if no try of it has failed. `resumes` counts how often
    the daemon ended in this step. `settled`: nothing is left to be done.
    """

    request: DeploymentRequest
    previous: str | None
    state: DeploymentState
    since: float
    began_at: float
    attempt: int = 0
    generation: int = 0
    spent_s: float = 0.0
    touched: bool = False
    cause: Cause | None = None
    reason: str = ""
    outage: Outage | None = None
    resumes: int = 0
    settled: bool = False
    next: DeploymentRequest | None = None

    @property
    def agent(self) -> str:
        """Whose deployment it is."""
        return self.request.agent

    @property
    def commit(self) -> str:
        """What is to be deployed."""
        return self.request.commit

    @property
    def is_over(self) -> bool:
        """Whether it came to an end of any kind."""
        return self.state in OVER

    @property
    def is_working(self) -> bool:
        """Whether a step is in progress, and not merely waited for."""
        return (
            not self.is_over and self.state is not DeploymentState.QUEUED and self.retry_at is None
        )

    @property
    def retry_at(self) -> float | None:
        """When its step is tried again; None if it does not wait."""
        return None if self.outage is None else self.outage.retry_at

    @property
    def in_transition(self) -> bool:
        """Whether it alone starts and stops the container.

        The end of a container is expected then, and crash events, retries, alarms and reminders of
        the agent are held back.
        """
        return self.state in _IN_TRANSITION and not self.request.hot

    @property
    def last_deployed(self) -> str | None:
        """The last commit that was proven: what runs while no deployment is in transition."""
        return self.commit if self.state is DeploymentState.DEPLOYED else self.previous


# -- events -------------------------------------------------------------------------------------


@frozen
class Begin:
    """The queue lets it go on: the first step of what is queued, or the next try of what waits."""


@frozen
class StepDone:
    """All work of this attempt is done."""

    attempt: int


@frozen
class StepFailed:
    """The work of this attempt failed."""

    attempt: int
    cause: Cause
    reason: str


@frozen
class StepDeadline:
    """The time for the work of this attempt is up.

    `cause` is an outside cause that is known to reign, such as a closed gate; it is blamed then.
    """

    attempt: int
    cause: Cause | None = None


@frozen
class Preempted:
    """The agent was paused; or, with `ends`, stopped or destroyed, so its container ends."""

    reason: str
    ends: bool


@frozen
class CancelDeployment:
    """Somebody gives up on it: back to what was deployed before, and nobody is to blame.

    `up`: the agent is wanted running or paused; what is stopped or destroyed is not started for it.
    """

    by: str
    up: bool = True


DeploymentEvent = Begin | StepDone | StepFailed | StepDeadline | Preempted | CancelDeployment


@frozen
class Moment:
    """When an event comes: `now` in epoch seconds; `worked_s` by the loop's clock since the work of
    the record was begun; `chance` in [0, 1) for the jitter of waits."""

    now: float
    worked_s: float = 0.0
    chance: float = 0.5


# -- effects ------------------------------------------------------------------------------------


@frozen
class Build:
    """All that the commit needs is there: image, packages, folders, the files of its tree."""

    commit: str


@frozen
class StopContainer:
    """Nothing runs, and nothing is left of what ran: no unit, mount, socket or keeper.

    A turn in progress may go on for `drain_s` (see `hive.lifecycle.drain`); no new one begins.
    """

    drain_s: float


@frozen
class StartContainer:
    """A container of this commit and generation runs, and its harness is connected.

    What runs of another commit or generation is ended first, and so are leftovers. `generation`
    None: whichever runs is good.
    """

    commit: str
    generation: int | None = None


@frozen
class Prove:
    """A turn was driven to its end since `since`, and the harness has been up for `stay_up_s`.

    Only a turn that the wake of this deployment began counts, so that the agent's own queue is
    known to work.
    """

    since: float
    stay_up_s: float


@frozen
class ApplyHot:
    """The hive goes by this commit's configuration, and so does the harness, if one is connected.

    No restart is needed for what this commit changes.
    """

    commit: str


@frozen
class Tag:
    """The tag `name` is in the agent's repository of applied commits, with the reason as its text.

    The rows of approvals are what counts; a tag that is missing can be made from them.
    """

    name: str
    commit: str
    reason: str


Work = Build | StopContainer | StartContainer | Prove | ApplyHot | Tag


@frozen
class Tell:
    """A message of the hive; to an agent it is one wake and drives one turn."""

    to: str
    text: str


@frozen
class Quarantine:
    """The commit is not deployed to this agent again, unless the operator says so."""

    agent: str
    commit: str
    reason: str


@frozen
class LiftQuarantine:
    """The commit has been proven after all; nothing happens if it is in no quarantine."""

    agent: str
    commit: str


@frozen
class SetApproval:
    """What has become of an approval: see `hive.approvals.progressed`."""

    approval: int
    state: ApprovalState
    note: str


Joined = Tell | Quarantine | LiftQuarantine | SetApproval


@frozen
class Stepped:
    """The next record, and what is written in the same transaction."""

    record: Deployment
    joined: tuple[Joined, ...] = ()
