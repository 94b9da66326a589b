"""What the API says about a credential in the middle of a turn, from typed lines only. Pure."""

from attrs import define, field

from harness.cli.stream_events import (
    Init,
    ModelText,
    ModelToolUse,
    RateLimit,
    Retry,
    StreamEvent,
    Thought,
)
from hive.wire.turns import ApiSignal, SignalKind

_STEPS = 20
"""A warning is repeated when another twentieth of the window is used."""


@define
class ApiSignals:
    """Finds the signals in the events of one turn; `model` is as the CLI named it."""

    lease: str
    model: str | None = None
    _last: SignalKind | None = field(default=None, init=False)
    _last_warning: tuple[object, ...] | None = field(default=None, init=False)

    def take(self, event: StreamEvent) -> ApiSignal | None:
        """The signal to send because of this event; None if it says nothing new."""
        match event:
            case Init():
                self.model = event.model or self.model
            case RateLimit(status="rejected", overage=False):
                if _is_of_credits(event):
                    return None  # of one model or feature: the end of the turn says which
                return self._limit_signal(SignalKind.REJECTED, event)
            case RateLimit(status="rejected" | "allowed_warning"):
                step = event.window, event.resets_at, event.overage, _step(event.utilization)
                if step != self._last_warning:
                    self._last_warning = step
                    return self._limit_signal(SignalKind.WARNED, event)
            case Retry(error="authentication_failed"):
                return self._signal(SignalKind.UNAUTHORISED)
            case ModelText(nested=False) | ModelToolUse(nested=False) | Thought(nested=False):
                if self._last is not SignalKind.ANSWERED:
                    return self._signal(SignalKind.ANSWERED)
        return None

    def _limit_signal(self, kind: SignalKind, limit: RateLimit) -> ApiSignal:
        return self._signal(kind, limit.window, limit.resets_at, limit.utilization)

    def _signal(
        self,
        kind: SignalKind,
        window: str | None = None,
        resets_at: float | None = None,
        utilization: float | None = None,
    ) -> ApiSignal:
        self._last = kind
        return ApiSignal(self.lease, kind, window, resets_at, utilization, self.model)


def _is_of_credits(limit: RateLimit) -> bool:
    """Whether this is about credits, so that no window of the account is used up."""
    return limit.window == "overage" or (limit.window is None and limit.resets_at is None)


def _step(utilization: float | None) -> int | None:
    return None if utilization is None else int(utilization * _STEPS)
