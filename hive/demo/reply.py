"""What the scripted API may answer: the replies of which a script is made."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from attrs import field, frozen

from hive.demo.failures import FailKind

Claim: TypeAlias = Literal["five_hour", "seven_day", "seven_day_opus", "seven_day_sonnet"]
"""A window of a subscription's limit, in the API's words."""

Where: TypeAlias = Literal["headers", "stream"]
"""Before the response's headers, or in the stream after its first text."""


@frozen
class Say:
    """A text block; its deltas are spread over `over` seconds."""

    text: str
    over: float = 0.0


@frozen
class CallTool:
    """A tool_use block: the model calls this tool."""

    tool: str
    arguments: Mapping[str, Any] = field(factory=dict)


Block: TypeAlias = Say | CallTool


@frozen
class ModelAnswer:
    """A message of the model; `stop_reason` None: the usual one for its blocks."""

    blocks: tuple[Block, ...] = ()
    stop_reason: Literal["end_turn", "tool_use", "max_tokens", "refusal"] | None = None


@frozen
class Persona:
    """Let the demo's persona answer the request."""


@frozen
class Fail:
    """An error. `in_stream` sends it as an event of the stream instead of a status.

    `message` replaces the kind's text. `retry_after` (seconds) and `should_retry` are headers. For
    a subscription's limit `reset` is when it ends (epoch seconds, None: in an hour), and `claim`
    another window than the kind's.
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
    """A page that something else answers in the API's place, such as a portal or a proxy.

    `location` redirects there; "/portal" has a page.
    """

    status: int = 200
    text: str = "<html><body>Please log in to this network.</body></html>"
    location: str | None = None


@frozen
class Stall:
    """Never end the answer, before its headers or in the stream after `text`.

    `ping`: send a ping every so many seconds (None: nothing).
    """

    at: Where = "stream"
    text: str = "Let me"
    ping: float | None = None


@frozen
class Drop:
    """Close the connection, before the headers or in the stream after `text`."""

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
