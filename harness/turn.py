"""What one turn has shown so far: stream events in, wire events and the end of the turn out."""

import trio
from attrs import define, evolve, field

from harness.outcome import Ended, Seen, Verdict, classify
from harness.patience import Patience
from harness.stream import (
    ApiFailure,
    Idle,
    Init,
    ModelText,
    Prompted,
    RateLimit,
    Result,
    Retry,
    StreamEvent,
    ToolAnswer,
    ToolUse,
)
from harness.tools import SERVER
from hive.wire import ApiRetry, Event, Outcome, Text, ToolCall, ToolResult, Usage

CUT = 2000
"""Characters of a text that are kept in an event."""


@define(eq=False)
class Turn:
    """One prompt and what came of it; `prompt` is the uuid of its user message."""

    id: str
    prompt: str
    patience: Patience
    seen: Seen = field(factory=Seen)
    usage: Usage = field(factory=Usage)
    over: bool = False
    """The CLI waits for input again; the process may take the next prompt."""
    cut: Verdict | None = None
    """Why the harness ends the turn before it ends by itself."""
    broken: bool = False
    """The process is not fit for another turn."""
    interrupted: bool = False
    """Somebody asked for the end: a process that does not live to say so was interrupted, too."""
    session: str | None = None
    result_at: float | None = None
    """When the prompt was answered, or dropped."""
    left: trio.Event = field(factory=trio.Event)
    """Nobody works on the turn any more."""

    def take(self, event: StreamEvent, now: float) -> Event | None:
        """Note one event of the stream; returns what the operator is to see of it."""
        if isinstance(event, Retry):
            self.patience.retry(now, event.delay_s)
        else:
            self.patience.line(now)
        match event:
            case Init():
                self._check_tools(event)
            case Result(asked=True):
                self.seen = evolve(self.seen, result=event)
                self.session = event.session
                self.result_at = now
                self.usage = add(self.usage, event.usage)
            case Result():
                self.usage = add(self.usage, event.usage)
            case ApiFailure():
                self.seen = evolve(self.seen, failure=event)
            case RateLimit():
                self.seen = evolve(self.seen, limit=event)
            case Retry():
                return self._retry(event)
            case Prompted(uuid=self.prompt, state="completed" | "cancelled"):
                self.result_at = self.result_at or now
            case Idle():
                self.over = self.result_at is not None
            case ModelText(nested=False) if event.text:
                return Text(self.id, event.text[:CUT])
            case ToolUse(nested=False):
                self.patience.tools.add(event.id)
                return ToolCall(self.id, event.id, event.tool, event.arguments[:CUT])
            case ToolAnswer(nested=False):
                self.patience.tools.discard(event.id)
                return ToolResult(self.id, event.id, event.is_error, event.text[:CUT])
        return None

    def verdict(self, ended: Ended | None) -> Verdict:
        """How the turn ended; `ended` if its process did."""
        if self.cut is not None:
            return self.cut
        verdict = classify(evolve(self.seen, ended=ended))
        if self.interrupted and self.seen.result is None:
            return Verdict(Outcome.INTERRUPTED, verdict.detail)
        return verdict

    def _check_tools(self, init: Init) -> None:
        status = dict(init.servers).get(SERVER)
        if status != "connected":
            detail = f"the hive's tools are {status or 'missing'} in claude: it could reach nobody"
            self.cut, self.broken = Verdict(Outcome.FAILED, detail), True

    def _retry(self, retry: Retry) -> Event:
        if retry.error == "authentication_failed":  # the CLI itself would go on for minutes
            status = f" (HTTP {retry.status})" if retry.status else ""
            self.cut = Verdict(Outcome.UNAUTHORISED, f"the credentials were refused{status}")
        return ApiRetry(self.id, retry.attempt, retry.error, retry.delay_s)


def new_turn(turn: str, prompt: str, silence: float) -> Turn:
    """A turn that begins now."""
    return Turn(turn, prompt, Patience(silence, trio.current_time()))


def add(one: Usage, other: Usage) -> Usage:
    """Both together."""
    return Usage(
        one.input_tokens + other.input_tokens,
        one.output_tokens + other.output_tokens,
        one.cache_read_tokens + other.cache_read_tokens,
        one.cache_write_tokens + other.cache_write_tokens,
        one.cost_usd + other.cost_usd,
    )
