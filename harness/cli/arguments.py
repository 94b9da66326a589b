"""How `claude` is started: its arguments and an environment built from nothing. Pure."""

from attrs import field, frozen

from harness.cli.session import CliSession
from harness.wake import NAME, SOCKET
from hive.paths import AgentFolders

CONTAINER = "HIVE_CONTAINER"
"""By this variable a driver without walls finds all that belongs to a container."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_CREDENTIALS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")

_NOT_OFFERED = (
    # They reach sessions beside the hive's broker.
    "ListAgents",
    "SendMessage",
    # They begin turns by themselves, outside of any lease.
    "CronCreate",
    "CronDelete",
    "CronList",
    "Monitor",
    "ScheduleWakeup",
)

_FLAGS = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",  # a turn has one result
    "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
    "CLAUDE_CODE_DISABLE_FILE_MENTIONS": "1",  # a body may contain @path
    "CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS": "1",
    "CLAUDE_CODE_MAX_RETRIES": "3",
    "API_TIMEOUT_MS": "120000",
    "MCP_TIMEOUT": "15000",
    "MCP_TOOL_TIMEOUT": "180000",  # longer than the longest recv and a reconnect
    "ENABLE_TOOL_SEARCH": "false",  # the hive's tools belong in the model's list at once
}


class CredentialsError(ValueError):
    """More than one kind of credentials: the CLI would choose, and bill, by itself."""


@frozen
class Setup:
    """What a process is started with, but for its session. Contains credentials."""

    binary: str
    model: str | None
    fallback_models: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = field(repr=False)


def argv(setup: Setup, session: CliSession) -> tuple[str, ...]:
    """The command line of a process that begins `session`, or goes on with it if it is known."""
    return (
        setup.binary,
        "--print",
        *("--input-format", "stream-json"),
        *("--output-format", "stream-json"),
        "--verbose",
        *("--resume" if session.known else "--session-id", session.id),
        *("--system-prompt-snapshot", "off"),  # the prompt names the other agents, who change
        *(("--model", setup.model) if setup.model else ()),
        *(("--fallback-model", ",".join(setup.fallback_models)) if setup.fallback_models else ()),
        "--strict-mcp-config",
        *("--setting-sources", ""),
        "--disable-slash-commands",
        *("--disallowedTools", ",".join(_NOT_OFFERED)),
        "--dangerously-skip-permissions",  # the container is the wall
    )


def environment(
    folders: AgentFolders,
    given: tuple[tuple[str, str], ...],
    *,
    root: bool,
    container: str | None,
    commands: str = "",
) -> tuple[tuple[str, str], ...]:
    """The whole environment; `given` holds credentials, `container` marks what we start.

    `commands` is the folder of `hive-harness`, last on the PATH. Raises CredentialsError.
    """
    kinds = [name for name, value in given if name in _CREDENTIALS and value]
    if len(kinds) > 1:
        raise CredentialsError(
            f"credentials of {len(kinds)} kinds are configured ({', '.join(kinds)}); "
            "keep one of them"
        )
    variables = {
        "PATH": f"{_PATH}:{commands}" if commands else _PATH,
        "HOME": str(folders.claude),
        "LANG": "C.UTF-8",
        "CLAUDE_CODE_TMPDIR": str(folders.claude / "tmp"),
        SOCKET: str(folders.claude / NAME),
        **_FLAGS,
        **({"IS_SANDBOX": "1"} if root else {}),
        **({CONTAINER: container} if container else {}),
        **dict(given),
    }
    return tuple(variables.items())
