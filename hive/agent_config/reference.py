"""docs/agent-toml.md, made from the class: `python -m hive.agent_config.reference` prints it."""

import inspect
from collections.abc import Iterator
from typing import Any

import attrs

from hive.agent_config.config import AgentConfig, Key, key_of
from hive.agent_config.parse import MOST_DEPTH, MOST_FILE
from hive.agent_config.rules import NAMES, KeyRule, Table
from hive.agent_config.toml import toml_text

EXAMPLE = """\
purpose = "Reviews changes of the web shop and answers questions about it"
may_send = ["worker-1", "worker-2"]

[claude]
model = "opus"
fallback_models = ["sonnet"]
effort = "high"
tools = ["Bash", "Read", "Edit", "Write", "Glob", "Grep"]
prompt_files = ["role.md", "prompts/review.md"]

[container]
driver = "bubblewrap"
packages = ["ripgrep", "nodejs"]
memory_mib = 2048
cpus = 1.5
processes = 512
network = ["github.com:443", "*.npmjs.org"]

[environment]
TZ = "Europe/Berlin"

[mcp_servers.issues]
command = "npx"
args = ["-y", "issue-server"]
environment = { PROJECT = "shop" }

[mcp_servers.search]
url = "https://search.example.org/mcp"

[reminders]
pending = 20
burst = 5
per_hour = 10.0

[budgets.day]
usd = 5.0
usd_reserve = 1.0

[budgets.total]
tokens = 50_000_000

[session]
context_tokens = 300_000
turns = 200
age_s = 604_800

[permissions]
broadcast = false
config = ["worker-1"]
budgets = []

[permissions.lifecycle]
restart = ["worker-1", "worker-2"]
log = ["*"]
"""

_INTRO = f"""\
# `agent.toml`

What an agent is: the file `agent.toml` of its configuration repository, with the prompt files that
it names. Only `purpose` is required; everything else has a default, and a key that is not listed
here is refused.

<!-- Made by `make reference` from hive/agent_config/config.py: change that, not this. -->

**What reads it today** are `hive config check FILE`, which says everything that is wrong with a
file, or what it sets, and the same check of what agents propose ([approvals.md](approvals.md)); no
part of the hive deploys one yet. In the column *effect*, `when
deployed` stands for what the hive has the means for, and `not yet` for what would change nothing
even then.

```toml
{EXAMPLE}```

It is TOML 1.0 in UTF-8 without a byte order mark, of at most {MOST_FILE} bytes, nested at most
{MOST_DEPTH} levels. It holds visible text only: no control characters, and none that hide or
reorder text, not in comments either. Nothing in it is a secret: whoever can read the repository
reads it, the agent itself included.

An agent's name is {NAMES}.
A list that says what the agent may do to others does not name the agent itself.

In the tables, *change* says what it takes to apply a change of the key: a `hot` one is applied
while the agent works, a `restart` one by a restart of its container. A commit needs a restart if
one of the keys that it changes does.
"""


def reference() -> str:
    """The whole document."""
    return "\n".join((_INTRO, *_section(AgentConfig))).rstrip("\n") + "\n"


def _section(cls: Any, *paths: str) -> Iterator[str]:
    """Headings, the section's own text and the table of its keys; then the sections in it.

    It is there once for all `paths` at which it may stand in the file; none: it is the file.
    """
    known = {field: key_of(field) for field in attrs.fields(cls)}
    if paths:
        names = " and ".join(f"`[{path}]`" for path in paths)
        yield from (f"## {names}", "", inspect.getdoc(cls) or "", "")
    rows = [_row(field, one) for field, one in known.items() if one and not _inner(one)]
    if rows:
        yield "| key | must be | default | change | effect | meaning |"
        yield from ("|---|---|---|---|---|---|", *rows, "")
    prefix = f"{paths[0]}." if paths else ""
    inner: dict[Any, list[str]] = {}
    for field, one in known.items():
        if one is None:
            inner.setdefault(field.type, []).append(f"{prefix}{field.name}")
        elif section := _inner(one):
            inner[section] = [f"{prefix}{field.name}.NAME"]
    for section, places in inner.items():
        yield from _section(section, *places)


def _inner(known: Key) -> type | None:
    """The class of the sections that the key is a table of, if it is one."""
    rule = known.rule
    return rule.value if isinstance(rule, Table) and not isinstance(rule.value, KeyRule) else None


def _row(field: "attrs.Attribute[Any]", known: Key) -> str:
    if field.default is attrs.NOTHING:
        default = "required"
    else:
        default = known.unset or f"`{toml_text(field.default)}`"
    cells = (
        f"`{field.name}`",
        known.rule.words,
        default,
        str(known.key_class),
        "when deployed" if known.applied else "not yet",
        known.text,
    )
    return f"| {' | '.join(one.replace('|', chr(92) + '|') for one in cells)} |"


if __name__ == "__main__":
    print(reference(), end="")
