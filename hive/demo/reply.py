"""What the scripted API may answer: a closed set of values."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from attrs import field, frozen

from hive.demo.failures import FailKind

Claim: TypeAlias = Literal["five_hour", "seven_day", "seven_day_opus", "seven_day_sonnet"]
"""A window of a subscription's limit, in the API's words."""

Where: TypeAlias = Literal["headers", "stream"]
"""Before the response's headers, or after its first words."""


@frozen
class Say:
    """A text block; its deltas are spread over `over` seconds."""

    text: str
    over: float = 0.0


@frozen
class CallTool:
    """A tool_use block."""

    tool: str
    arguments: Mapping[str, Any] = field(factory=dict)


Block: TypeAlias = Say | CallTool


@frozen
class ModelAnswer:
    """A good answer: no block is an empty one; `stop_reason` None means the usual one."""

    blocks: tuple[Block, ...] = ()
    stop_reason: Literal["end_turn", "tool_use", "max_tokens", "refusal"] | None = None


@frozen
class Persona:
    """What the demo's persona says to this request."""


@frozen
class Fail:
    """An error: `reset` in epoch seconds (subscription limits; None = in an hour), `retry_after` in
    seconds, `should_retry` the header x-should-retry, `claim` another window than the kind's;
    `in_stream` sends it as an SSE event.
    """

    kind: FailKind
    message: str | None = None
    retry_after: int | None = None
    should_retry: bool | None = None
    reset: int | None = None
    in_stream: bool = False
    claim: Claim | None = None


@frozen
class Page:
    """Something else answers in the API's place, such as a portal or a proxy: a page, or nothing.

    `location` redirects there; "/portal" has a page.
    """

    status: int = 200
    text: str = "<html><body>Please log in to this network.</body></html>"
    location: str | None = None


@frozen
class Stall:
    """Never end; in the stream after `text`, with a ping every `ping` seconds (None: silence)."""

    at: Where = "stream"
    text: str = "Let me"
    ping: float | None = None


@frozen
class Drop:
    """Close the connection; in the stream after `text`."""

    at: Where = "headers"
    text: str = "Let me"


@frozen
class Delay:
    """Wait `seconds` before anything is sent, then give `reply`."""

    seconds: float
    reply: "Reply" = Persona()


@frozen
class LimitHeaders:
    """Give `reply` with a subscription's limit headers; `reset` as for `Fail`, shares 0 to 1.

    `overage`: the account pays for what goes beyond the limit.
    """

    status: Literal["allowed", "allowed_warning", "rejected"] = "allowed_warning"
    claim: Claim = "five_hour"
    five_hour: float = 0.9
    seven_day: float = 0.2
    reset: int | None = None
    reply: "Reply" = Persona()
    overage: bool = False


Reply: TypeAlias = ModelAnswer | Persona | Fail | Page | Stall | Drop | Delay | LimitHeaders
