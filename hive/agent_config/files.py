"""An agent.toml with the prompt files beside it: on disk as its author has them, or in a commit."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from hive.agent_config.config import MOST_PROMPT, ROLE, AgentConfig
from hive.agent_config.parse import MOST_FILE, AgentConfigError, Fault, check_prompt, parse
from hive.agent_config.rules import HostCaps
from hive.files import read_small

ENTRY_POINT = "agent.toml"
_MISSING = "is missing: add it, or do not name it"


@frozen
class PromptFile:
    """A prompt file that a configuration names: its path as named there, and whether it exists."""

    path: str
    found: bool


def load(
    file: Path, *, agent: str | None = None, host: HostCaps | None = None
) -> tuple[AgentConfig, tuple[PromptFile, ...]]:
    """Read an agent.toml and look at its prompt files; `agent` and `host` as in `parse`.

    `file` may be a pipe; then no prompt files are looked for. Raises AgentConfigError, also for a
    prompt file that is missing or cannot be one, and OSError when `file` cannot be read.
    """
    with file.open("rb") as reader:
        data = reader.read(MOST_FILE + 1)
        has_folder = stat.S_ISREG(os.fstat(reader.fileno()).st_mode)
    config = parse(data, source=str(file), agent=agent, host=host)
    faults: list[Fault] = []
    prompts: list[PromptFile] = []
    for path in config.claude.prompt_files if has_folder else ():
        try:
            _check(os.path.realpath(file.parent), path)
            prompts.append(PromptFile(path, True))
            continue
        except FileNotFoundError:
            prompts.append(PromptFile(path, False))
            why = None if path == ROLE else _MISSING
        except OSError as error:
            why = f"cannot be read: {error.strerror}"
        except ValueError as error:
            why = str(error)
        if why is not None:
            faults.append(Fault(f"prompt file {path}", why))
    if faults:
        raise AgentConfigError(str(file), tuple(faults))
    return config, tuple(prompts)


def parse_files(
    files: Mapping[str, bytes], *, agent: str | None = None, host: HostCaps | None = None
) -> AgentConfig:
    """Read the agent.toml of a commit and check its prompt files; `agent`, `host` as in `parse`.

    `files` are those of the commit by their paths. Raises AgentConfigError, also for a prompt file
    that is missing or cannot be one.
    """
    if ENTRY_POINT not in files:
        raise AgentConfigError(ENTRY_POINT, (Fault("", "is missing: add it"),))
    config = parse(files[ENTRY_POINT], source=ENTRY_POINT, agent=agent, host=host)
    faults: list[Fault] = []
    for path in config.claude.prompt_files:
        try:
            if path in files:
                check_prompt(files[path])
            elif path != ROLE:
                raise ValueError(_MISSING)
        except ValueError as error:
            faults.append(Fault(f"prompt file {path}", str(error)))
    if faults:
        raise AgentConfigError(ENTRY_POINT, tuple(faults))
    return config


def _check(folder: str, path: str) -> None:
    """Raise OSError or ValueError unless the file can be a prompt."""
    file = os.path.join(folder, path)  # noqa: PTH118
    if os.path.realpath(file) != file:
        raise ValueError("is a link, or lies behind one: name the file itself")
    check_prompt(read_small(Path(file), most=MOST_PROMPT))
