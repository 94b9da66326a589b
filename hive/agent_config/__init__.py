"""`agent.toml`: what an agent is, as one checked value, and what differs between two of them."""

from hive.agent_config.changes import KeyChange, changes, needs_restart
from hive.agent_config.config import (
    MOST_PROMPT,
    ROLE,
    AgentConfig,
    ClaudeSection,
    ContainerSection,
    PermissionsSection,
)
from hive.agent_config.files import PromptFile, load, parse_files
from hive.agent_config.parse import MOST_FILE, AgentConfigError, Fault, check_prompt, parse
from hive.agent_config.rules import BrokenRules, HostCaps
from hive.agent_config.toml import Setting, settings, to_toml, toml_text
from hive.wire.approvals import KeyClass

__all__ = [
    "MOST_FILE",
    "MOST_PROMPT",
    "ROLE",
    "AgentConfig",
    "AgentConfigError",
    "BrokenRules",
    "ClaudeSection",
    "ContainerSection",
    "Fault",
    "HostCaps",
    "KeyChange",
    "KeyClass",
    "PermissionsSection",
    "PromptFile",
    "Setting",
    "changes",
    "check_prompt",
    "load",
    "needs_restart",
    "parse",
    "parse_files",
    "settings",
    "to_toml",
    "toml_text",
]
