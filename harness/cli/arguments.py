"""How `claude` is started: its arguments and an environment built from nothing. Pure."""

from attrs import field, frozen

from harness.cli.session import CliSession
from harness.wake_command import SOCKET_NAME, SOCKET_VARIABLE
from hive.paths import AgentFolders

CONTAINER = "HIVE_CONTAINER"
"""The variable that marks all processes of a container, so that its driver finds them."""

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
    """There is more than one kind of credentials: the CLI would choose itself which to bill."""


@frozen
class CliSetup:
    """How to start a process, apart from its session; `environment` contains credentials."""

    binary: str
    model: str | None
    fallback_models: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = field(repr=False)


def argv(setup: CliSetup, session: CliSession) -> tuple[str, ...]:
    """The command line of a process that begins `session`, or resumes it when it is known."""
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
    """The whole environment of a process.

    `given` is what the daemon gives, credentials among it; `root` says that the process runs as
    root; `container` is the value of the mark CONTAINER, None without one; `commands` is the folder
    of `hive-harness`, which comes last on the PATH. Raises CredentialsError when `given` holds more
    than one kind of credentials.
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
        SOCKET_VARIABLE: str(folders.claude / SOCKET_NAME),
        **_FLAGS,
        **({"IS_SANDBOX": "1"} if root else {}),
        **({CONTAINER: container} if container else {}),
        **dict(given),
    }
    return tuple(variables.items())
