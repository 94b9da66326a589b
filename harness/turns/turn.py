"""What is known of one turn: stream events go in; wire events, pushes and a verdict come out."""

import trio
from attrs import define, evolve, field

from harness.cli.outcome import ProcessEnd, TurnEvidence, TurnVerdict, classify
from harness.cli.stream_events import (
    ApiFailure,
    ControlResponse,
    Cost,
    Idle,
    Init,
    ModelText,
    ModelToolUse,
    Prompted,
    RateLimit,
    Result,
    Retry,
    StreamEvent,
    ToolAnswer,
)
from harness.tools import SERVER
from harness.turns.api_signals import ApiSignals
from harness.turns.silence import SilenceWatch
from harness.turns.spending import Meter
from hive.wire.bounds import EVENT_TEXT
from hive.wire.events import Event
from hive.wire.turns import (
    ApiRetry,
    Outcome,
    PushedByAgent,
    Spending,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)


@define(eq=False)
class RunningTurn:
    """One prompt and what has come of it."""

    id: str
    """The lease's."""
    prompt: str
    """The uuid of its user message."""
    silence: SilenceWatch
    signals: ApiSignals
    meter: Meter
    evidence: TurnEvidence = field(factory=TurnEvidence)
    reported_usage: Usage = field(factory=Usage)
    """What the results of the CLI say it has used."""
    idle: bool = False
    """The CLI waits for input again; the process may take the next prompt."""
    early_end: TurnVerdict | None = None
    """Why the harness ends the turn before it ends by itself."""
    broken: bool = False
    """The process can take no other turn."""
    interrupted: bool = False
    """Its end was asked for; so a process that dies before it says so was interrupted, too."""
    over_budget: bool = False
    """Its end was asked for because a budget is used up."""
    session: str | None = None
    """The CLI's session, once its result has named it."""
    result_at: float | None = None
    """When the prompt was answered or dropped; None before."""
    finished: trio.Event = field(factory=trio.Event)
    """Nobody works on the turn any more."""

    def take(self, event: StreamEvent, now: float) -> Event | None:
        """Note one event of the stream; returns what the operator is to see of it, if anything."""
        if isinstance(event, Retry):
            self.silence.note_retry(now, event.delay_s)
        elif not isinstance(event, ControlResponse | Cost):  # to answer us is no sign of work
            self.silence.note_line(now)
        match event:
            case Init():
                self._check_tools(event)
            case Result(asked=True):
                self.evidence = evolve(self.evidence, result=event)
                self.session = event.session
                self.result_at = now
                self.reported_usage = self.reported_usage + event.usage
            case Result():
                self.reported_usage = self.reported_usage + event.usage
            case ApiFailure():
                self.evidence = evolve(self.evidence, failure=event)
            case RateLimit():
                self.evidence = evolve(self.evidence, limit=event)
            case Retry():
                return self._retry(event)
            case Prompted(uuid=self.prompt, state="completed" | "cancelled"):
                self.result_at = self.result_at or now
            case Idle():
                self.idle = self.result_at is not None
            case ModelText(nested=False) if event.text:
                return Text(self.id, event.text[:EVENT_TEXT])
            case ModelToolUse(nested=False):
                self.silence.tools.add(event.id)
                return ToolCall(self.id, event.id, event.tool, event.arguments[:EVENT_TEXT])
            case ToolAnswer(nested=False):
                self.silence.tools.discard(event.id)
                return ToolResult(self.id, event.id, event.is_error, event.text[:EVENT_TEXT])
        return None

    def push_of(self, event: StreamEvent) -> PushedByAgent | None:
        """What to push to the daemon about an event that `take` has seen; None: nothing."""
        match event:
            case Cost():
                usage = self.meter.take(event.request, event.usage)
                return None if usage is None else Spending(self.id, usage)
            case ControlResponse():
                return None
        self.meter.changed = True
        return self.signals.take(event)

    @property
    def usage(self) -> Usage:
        """What the turn has used: as reported, or as measured if a killed process told less."""
        if self.evidence.result is not None or self.meter.spent.tokens < self.reported_usage.tokens:
            return self.reported_usage
        return self.meter.spent

    def verdict(self, ended: ProcessEnd | None) -> TurnVerdict:
        """How the turn ended; `ended` tells how its process did, None if that lives."""
        if self.early_end is not None:
            return self.early_end
        verdict = classify(evolve(self.evidence, ended=ended))
        if self.interrupted and (
            self.evidence.result is None or verdict.outcome is Outcome.INTERRUPTED
        ):
            return self.stopped_verdict(verdict.detail)
        return verdict

    def stopped_verdict(self, detail: str) -> TurnVerdict:
        """The verdict on a turn that somebody ended: by a budget, or interrupted for `detail`."""
        if self.over_budget:
            return TurnVerdict(Outcome.OVER_BUDGET, "a budget is used up")
        return TurnVerdict(Outcome.INTERRUPTED, detail)

    def _check_tools(self, init: Init) -> None:
        status = dict(init.servers).get(SERVER)
        if status != "connected":
            detail = f"the hive's tools are {status or 'missing'} in claude: it could reach nobody"
            self.early_end, self.broken = TurnVerdict(Outcome.FAILED, detail), True

    def _retry(self, retry: Retry) -> Event:
        if retry.error == "authentication_failed":  # the CLI itself would go on for minutes
            status = f" (HTTP {retry.status})" if retry.status else ""
            detail = f"the credentials were refused{status}"
            self.early_end = TurnVerdict(Outcome.UNAUTHORISED, detail)
        return ApiRetry(self.id, retry.attempt, retry.error, retry.delay_s)


def new_turn(lease: str, prompt: str, silence: float, used_before: Usage) -> RunningTurn:
    """A turn that begins now, and may be silent for `silence` seconds; `prompt` is a fresh uuid.

    `used_before` is what earlier attempts at the same lease have used.
    """
    now = trio.current_time()
    return RunningTurn(
        lease,
        prompt,
        SilenceWatch(silence, now),
        ApiSignals(lease),
        Meter(prompt, now, used_before),
    )
