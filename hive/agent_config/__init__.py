"""`agent.toml`: what an agent is, as one checked value, and what differs between two of them."""

from hive.agent_config.changes import KeyChange, changes, needs_restart
from hive.agent_config.config import MOST_PROMPT, ROLE, AgentConfig, KeyClass
from hive.agent_config.files import PromptFile, load
from hive.agent_config.parse import MOST_FILE, AgentConfigError, Fault, check_prompt, parse
from hive.agent_config.rules import BrokenRules, HostCaps
from hive.agent_config.toml import Setting, settings, to_toml, toml_text

__all__ = [
    "MOST_FILE",
    "MOST_PROMPT",
    "ROLE",
    "AgentConfig",
    "AgentConfigError",
    "BrokenRules",
    "Fault",
    "HostCaps",
    "KeyChange",
    "KeyClass",
    "PromptFile",
    "Setting",
    "changes",
    "check_prompt",
    "load",
    "needs_restart",
    "parse",
    "settings",
    "to_toml",
    "toml_text",
]
