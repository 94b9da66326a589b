"""What the lines of the CLI's stdout say, as a closed set of typed events; the parser makes them.

Fields are None where the CLI said nothing; `nested` is true for what a sub-agent did.
"""

from attrs import frozen

from harness.lenient_json import Json
from hive.wire.turns import Usage


@frozen
class Init:
    """A turn begins; `servers` are the MCP servers with their status."""

    session: str | None
    model: str | None
    version: str | None
    servers: tuple[tuple[str, str], ...]


@frozen
class ModelText:
    """Text that the model wrote."""

    text: str
    nested: bool


@frozen
class Thought:
    """Something else that the model wrote, such as its thinking."""

    nested: bool


@frozen
class ModelToolUse:
    """The model calls a tool: `id` comes back in the `ToolAnswer`, `arguments` is JSON."""

    id: str
    tool: str
    arguments: str
    nested: bool


@frozen
class ToolAnswer:
    """A tool has answered the call `id`; `text` is what the model reads."""

    id: str
    is_error: bool
    text: str
    nested: bool


@frozen
class ApiFailure:
    """The CLI's own (synthetic) line about a request that failed; it wrote `text` itself.

    `error`, `api_error` and `window` are the CLI's words; `type` is the API's own word for the
    error, None when something else answered in its place; `status` is the HTTP status, `resets_at`
    in epoch seconds.
    """

    error: str | None
    api_error: str | None
    status: int | None
    resets_at: float | None
    text: str
    window: str | None = None
    type: str | None = None


@frozen
class Retry:
    """The CLI will ask the API again in `delay_s` seconds; `error` is one of its closed list."""

    attempt: int
    delay_s: float
    error: str
    status: int | None


@frozen
class RateLimit:
    """A subscription's limit; `resets_at` in epoch seconds, `utilization` 0 to 1.

    `overage`: the limit is reached and the account pays for what goes beyond.
    """

    status: str | None
    window: str | None
    resets_at: float | None
    utilization: float | None = None
    overage: bool = False


@frozen
class Result:
    """The end of a turn.

    `asked` is false for an answer to something that was not our prompt; `turns` counts the model's
    steps; `usage` is what came since the last result.
    """

    subtype: str | None
    is_error: bool
    terminal_reason: str | None
    api_error: str | None
    status: int | None
    stop_reason: str | None
    errors: tuple[str, ...]
    turns: int
    asked: bool
    session: str | None
    usage: Usage


@frozen
class Prompted:
    """What became of the user message `uuid`: queued, started, completed or cancelled."""

    uuid: str
    state: str


@frozen
class Idle:
    """The CLI waits for input: the turn is over."""


@frozen
class ControlRequest:
    """A control request of the CLI that needs an answer; `server` and `message` for tools only."""

    request: str
    subtype: str
    server: str | None
    message: Json


@frozen
class ControlCancelled:
    """The CLI no longer waits for the answer to its request."""

    request: str


@frozen
class ControlResponse:
    """The answer to a control request of ours; `error` when it was refused."""

    request: str
    error: str | None


@frozen
class Cost:
    """What the session has cost so far, also in earlier processes, in answer to our `request`."""

    request: str
    usage: Usage


@frozen
class Other:
    """A line that matters to nobody here, or is not known; `kind` is its type."""

    kind: str


@frozen
class Garbage:
    """A line that is not a JSON object; `text` is its beginning."""

    text: str


StreamEvent = (
    Init
    | ModelText
    | Thought
    | ModelToolUse
    | ToolAnswer
    | ApiFailure
    | Retry
    | RateLimit
    | Result
    | Prompted
    | Idle
    | ControlRequest
    | ControlCancelled
    | ControlResponse
    | Cost
    | Other
    | Garbage
)
