"""`agent.toml` as a class: every key with what it may be set to, and how a change is applied.

The schema check, the reference in docs/agent-toml.md and the comparison of two configurations all
follow from the fields below; a new key is a field here and nothing else.
"""

import re
from collections.abc import Callable
from typing import Any

import attrs
from attrs import frozen

from hive.agent_config.rules import (
    BrokenRules,
    Choice,
    Either,
    Flag,
    KeyRule,
    ListOf,
    Name,
    Number,
    Table,
    TextRule,
)
from hive.wire.approvals import KeyClass
from hive.wire.bounds import MOST_AMOUNT, MOST_NUMBER
from hive.wire.names import check_model

ROLE = "role.md"
"""The prompt file that counts when none is named; it alone may be missing."""

MOST_PROMPT = 65_536
"""Bytes of a prompt file."""


@frozen
class Key:
    """What is known of one key of the file beside its name and its default."""

    rule: KeyRule
    text: str
    """What it means, for its author."""
    key_class: KeyClass = KeyClass.RESTART
    applied: bool = False
    """Whether the hive has the means for it today."""
    unset: str = ""
    """What holds when it is not set, where the default does not say it."""


_KEY = "key"


def key(
    rule: KeyRule,
    text: str,
    *,
    default: Any = None,
    hot: bool = False,
    applied: bool = False,
    unset: str = "",
) -> Any:
    """A field that is a key of the file: see `Key`; a default of NOTHING makes it required."""
    known = Key(rule, text, KeyClass.HOT if hot else KeyClass.RESTART, applied, unset)
    validator = attrs.validators.optional(rule) if default is None else rule
    return attrs.field(default=default, validator=validator, metadata={_KEY: known})


def key_of(field: "attrs.Attribute[Any]") -> Key | None:
    """What is known of the key that a field is; None for a section."""
    known: Key | None = field.metadata.get(_KEY)
    return known


# --- what keys may be set to ---------------------------------------------------------------------

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HIVES_OWN = re.compile(
    r"(ANTHROPIC_|CLAUDE|HIVE_).*|HOME|PATH|IS_SANDBOX|DISABLE_TELEMETRY|DISABLE_AUTOUPDATER"
    r"|DISABLE_ERROR_REPORTING|API_TIMEOUT_MS|MCP_TIMEOUT|MCP_TOOL_TIMEOUT|ENABLE_TOOL_SEARCH"
)
"""Variables by which the hive starts `claude`: with others it would not work, or not be billed to
the credential that the operator chose."""

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(\*\.{_LABEL}\.)?{_LABEL}(\.{_LABEL})*(:(?P<port>[1-9][0-9]{{0,4}}))?")


def _like(pattern: str) -> Callable[[str], object]:
    return re.compile(pattern).fullmatch


def _is_model(name: str) -> bool:
    try:
        return bool(check_model(name))
    except ValueError:
        return False


def _is_variable(name: str) -> bool:
    return bool(_VARIABLE.fullmatch(name)) and not _HIVES_OWN.fullmatch(name)


def _is_host(text: str) -> bool:
    match = _HOST.fullmatch(text)
    return match is not None and int(match["port"] or 0) < 65_536


def _is_inside(path: str) -> bool:
    """Whether the path leads to a file of the repository, and not into git's own folder."""
    parts = path.split("/")
    return all(part not in ("", ".", "..") and part.lower() != ".git" for part in parts)


DRIVERS = ("bubblewrap", "process")
"""As the daemon knows them."""

MODEL = TextRule(
    "the name of a model: up to 100 characters without spaces and commas, the first no '-'",
    100,
    _is_model,
)
VARIABLES = Table(
    TextRule(
        "up to 100 letters, digits and '_', the first no digit, and none of the hive's own: "
        "ANTHROPIC_…, CLAUDE…, HIVE_…, HOME, PATH, and switches of the CLI",
        100,
        _is_variable,
    ),
    "variables",
    64,
    TextRule(
        "a text of up to 4096 characters, all of them visible", 4096, lambda _: True, secret=True
    ),
)
HOST = TextRule(
    "a host name in lower case, with '*.' before it for all names below it, and ':PORT' behind it "
    "for that port alone",
    253,
    _is_host,
)
NETWORK = Either(Choice(("host",)), ListOf(HOST, "hosts", 200))
PROMPT_FILES = ListOf(
    TextRule(
        "the path of a file in the repository, with '/' between folders and without '..'",
        200,
        _is_inside,
    ),
    "paths",
    16,
)
SERVER = TextRule(
    "a lower case letter, then up to 30 lower case letters, digits or '-', and not hive",
    31,
    _like(r"(?!hive$)[a-z][a-z0-9-]*"),
)
OTHERS = ListOf(Name(everybody=True), "agents", 200)


# --- sections ------------------------------------------------------------------------------------


@frozen
class ClaudeSection:
    """The program `claude`, which is the agent: what it thinks with, knows and can do."""

    model: str | None = key(
        MODEL,
        "The model. An alias such as opus stands for the newest of its family.",
        applied=True,
        unset="the hive's (`hive.toml`)",
    )
    fallback_models: tuple[str, ...] | None = key(
        ListOf(MODEL, "models", 10),
        "What the CLI may use instead, in this order, when the model is overloaded or does not "
        "exist.",
        unset="the hive's (`hive.toml`)",
    )
    effort: str | None = key(
        Choice(("low", "medium", "high", "xhigh", "max")),
        "How much the model thinks before it answers.",
        unset="the CLI's",
    )
    tools: tuple[str, ...] | None = key(
        ListOf(
            TextRule(
                "the name of a tool: up to 64 letters, digits and '_'",
                64,
                _like(r"[A-Za-z][A-Za-z0-9_]*"),
            ),
            "tools",
            100,
        ),
        "The CLI's own tools that the agent may use; an empty list means none. The hive's tools "
        "and those of MCP servers are not meant: it always has them.",
        unset="all that the hive offers",
    )
    prompt_files: tuple[str, ...] = key(
        PROMPT_FILES,
        "Files of this repository that are added to the system prompt, in this order, each up to "
        f"{MOST_PROMPT} bytes of UTF-8. `{ROLE}` alone may be missing. A change of what a file "
        "says needs a restart, too.",
        default=(ROLE,),
    )

    def __attrs_post_init__(self) -> None:
        for index, model in enumerate(self.fallback_models or ()):
            if model == self.model:
                raise BrokenRules(
                    (("fallback_models", index), "is the model itself: name another one")
                )


@frozen
class ContainerSection:
    """Where the agent runs, and what it may take from the machine."""

    driver: str | None = key(
        Choice(DRIVERS),
        "What isolates the agent. `process` isolates nothing, and the hive refuses it unless it "
        "was started with --unsafe-no-container.",
        applied=True,
        unset="the hive's (`hive.toml`)",
    )
    image: str | None = key(
        TextRule(
            "the reference of an image, up to 255 characters",
            255,
            _like(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*"),
        ),
        "The image of its file system, for drivers that have images.",
        unset="the host's system, read-only",
    )
    packages: tuple[str, ...] = key(
        ListOf(
            TextRule("the name of a Debian package", 100, _like(r"[a-z0-9][a-z0-9+.-]+")),
            "packages",
            200,
        ),
        "Packages that are installed in the container beside those of its image.",
        default=(),
    )
    memory_mib: int | None = key(
        Number(512, 16_777_216, " MiB", host="memory_mib"),
        "Memory of all its processes together. `claude` alone takes about 210 MiB.",
        hot=True,
        unset="no cap",
    )
    cpus: float | None = key(
        Number(0.1, 4096, " processors", whole=False, host="cpus"),
        "Processor time: 1.5 is one processor and a half.",
        hot=True,
        unset="no cap",
    )
    processes: int | None = key(
        Number(128, 4_194_304, " processes and threads", host="processes"),
        "Processes and threads at the same time.",
        hot=True,
        unset="no cap",
    )
    network: str | tuple[str, ...] = key(
        NETWORK,
        'The hosts that it may reach; none by default. `"host"` gives it the machine\'s whole '
        'network instead; a change to or from `"host"` needs a restart.',
        default=(),
        hot=True,
    )


@frozen
class RemindersSection:
    """How many reminders the agent may set for itself."""

    pending: int | None = key(
        Number(1, MOST_NUMBER), "How many may wait.", hot=True, unset="the hive's (`hive.toml`)"
    )
    burst: int | None = key(
        Number(1, MOST_NUMBER),
        "How many may be set at once.",
        hot=True,
        unset="the hive's (`hive.toml`)",
    )
    per_hour: float | None = key(
        Number(0, MOST_NUMBER, whole=False, above=True),
        "How many may be set in an hour, in the long run.",
        hot=True,
        unset="the hive's (`hive.toml`)",
    )


def _amount(text: str, rule: Number) -> Any:
    return key(rule, text, hot=True, applied=True, unset="no budget")


def _reserve(of: str, rule: Number) -> Any:
    return key(
        rule,
        f"What urgent messages may use beyond `{of}`.",
        hot=True,
        applied=True,
        unset="no reserve",
    )


@frozen
class BudgetSection:
    """What the agent may use; at 100 % it waits. `hive budget` shows what it has used."""

    usd: float | None = _amount(
        "Dollars, as the CLI computes them.",
        Number(0, MOST_AMOUNT, " dollars", whole=False, above=True),
    )
    usd_reserve: float | None = _reserve("usd", Number(0, MOST_AMOUNT, " dollars", whole=False))
    tokens: int | None = _amount(
        "Tokens of all kinds, with those that are read from the cache.",
        Number(1, MOST_AMOUNT, " tokens"),
    )
    tokens_reserve: int | None = _reserve("tokens", Number(0, MOST_AMOUNT, " tokens"))

    def __attrs_post_init__(self) -> None:
        for name, reserve, amount in (
            ("usd", self.usd_reserve, self.usd),
            ("tokens", self.tokens_reserve, self.tokens),
        ):
            if reserve is not None and amount is None:
                text = f"is a reserve of no budget: set {name} too, or leave both out"
                raise BrokenRules(((f"{name}_reserve",), text))


@frozen
class BudgetsSection:
    """What the agent may use, for a day (UTC) and in total."""

    day: BudgetSection = BudgetSection()
    total: BudgetSection = BudgetSection()


@frozen
class SessionSection:
    """When a conversation of the agent ends, and the next turn begins a new one from its notes."""

    context_tokens: int | None = key(
        Number(100_000, 10_000_000, " tokens"),
        "How large its context may grow.",
        unset="the CLI compacts it",
    )
    turns: int | None = key(
        Number(1, MOST_NUMBER, " turns"), "How many turns it may have.", unset="no bound"
    )
    age_s: int | None = key(
        Number(60, MOST_NUMBER, " seconds"), "How old it may become.", unset="no bound"
    )


@frozen
class McpServer:
    """A further MCP server of the agent, of up to 16: a program in its container, or an address.

    NAME is a lower case letter, then up to 30 lower case letters, digits or `-`, and not `hive`.
    """

    command: str | None = key(
        TextRule("a program: a path or a name, up to 4096 characters", 4096),
        "The program that speaks MCP on its standard input and output.",
        unset="none, if there is a `url`",
    )
    args: tuple[str, ...] = key(
        ListOf(
            TextRule("a text of up to 4096 characters", 4096, lambda _: True),
            "arguments",
            64,
            again=True,
        ),
        "The program's arguments.",
        default=(),
    )
    environment: tuple[tuple[str, str], ...] = key(
        VARIABLES, "Variables of the program's environment.", default=(), unset="none"
    )
    url: str | None = key(
        TextRule(
            "an http or https address without a user in it, up to 2048 characters",
            2048,
            _like(r"https?://[^\s/?#@]+(/\S*)?"),
        ),
        "The address of the server, if it is no program.",
        unset="none, if there is a `command`",
    )

    def __attrs_post_init__(self) -> None:
        if (self.command is None) == (self.url is None):
            raise BrokenRules(((), "needs one of command and url, and not both"))
        if self.url is not None and (self.args or self.environment):
            raise BrokenRules(((), "has an url: args and environment belong to a command"))


def _others(text: str) -> Any:
    return key(OTHERS, text, default=(), hot=True)


@frozen
class LifecycleSection:
    """Which acts on the life of other agents it may do, and on whom: names, or `"*"` for all."""

    spawn: tuple[str, ...] = _others("Agents that it may create, by the name that they get.")
    start: tuple[str, ...] = _others("Agents that it may start.")
    stop: tuple[str, ...] = _others("Agents that it may stop.")
    restart: tuple[str, ...] = _others("Agents that it may restart.")
    rebuild: tuple[str, ...] = _others("Agents that it may rebuild.")
    pause: tuple[str, ...] = _others("Agents that it may pause.")
    unpause: tuple[str, ...] = _others("Agents that it may let go on after a pause.")
    cancel: tuple[str, ...] = _others("Agents whose running turn it may cancel.")
    session: tuple[str, ...] = _others(
        "Agents whose conversation it may compact or begin anew, and whose model and effort it "
        "may set."
    )
    destroy: tuple[str, ...] = _others("Agents that it may destroy.")
    revive: tuple[str, ...] = _others("Destroyed agents that it may bring back.")
    log: tuple[str, ...] = _others("Agents whose log it may read.")


@frozen
class PermissionsSection:
    """What the agent may do besides its work. What is not listed here, it may not do."""

    broadcast: bool = key(
        Flag(), "Whether it may send one message to all agents.", default=False, hot=True
    )
    config: tuple[str, ...] = _others(
        "Agents whose configuration it may change in its repository, and ask the operator to apply."
    )
    budgets: tuple[str, ...] = _others("Agents whose budgets it may set.")
    lifecycle: LifecycleSection = LifecycleSection()


@frozen
class AgentConfig:
    """The whole file. Values that break a rule are refused with BrokenRules, a ValueError."""

    purpose: str = key(
        TextRule("a text of 1 to 200 characters on one line", 200, str.strip),
        "What the agent is for, in one line. It is shown wherever the agent is.",
        default=attrs.NOTHING,
        hot=True,
    )
    may_send: tuple[str, ...] | None = key(
        ListOf(Name(hint="; for a broadcast set permissions.broadcast"), "agents", 200),
        "To whom it may send, besides the manager and the operator, to whom it always may.",
        hot=True,
        applied=True,
        unset="all agents",
    )
    claude: ClaudeSection = ClaudeSection()
    container: ContainerSection = ContainerSection()
    environment: tuple[tuple[str, str], ...] = key(
        VARIABLES,
        "Variables of the environment of `claude`. Credentials are not given here, but to the "
        "hive by `hive login`.",
        default=(),
        unset="none",
    )
    mcp_servers: tuple[tuple[str, McpServer], ...] = key(
        Table(SERVER, "MCP servers", 16, McpServer),
        "Further MCP servers, each a section.",
        default=(),
    )
    reminders: RemindersSection = RemindersSection()
    budgets: BudgetsSection = BudgetsSection()
    session: SessionSection = SessionSection()
    permissions: PermissionsSection = PermissionsSection()
