"""Agents: each is a subtree of its socket, its container and what lets it take work."""

from hive.agents.agent import Agent, AgentDependencies, Publish
from hive.agents.container import state_folder
from hive.agents.fleet import REMINDERS, Fleet
from hive.agents.limits import GatesAndBudgets, gate_clients, gate_decided, recheck_all
from hive.agents.settings import AgentsConfig, ClaudeConfig

__all__ = [
    "REMINDERS",
    "Agent",
    "AgentDependencies",
    "AgentsConfig",
    "ClaudeConfig",
    "Fleet",
    "GatesAndBudgets",
    "Publish",
    "gate_clients",
    "gate_decided",
    "recheck_all",
    "state_folder",
]
