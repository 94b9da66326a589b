"""Agents: each is a subtree of its socket, its container and what lets it take work."""

from hive.agents.agent import Agent, AgentDependencies
from hive.agents.fleet import REMINDERS, Fleet

__all__ = [
    "REMINDERS",
    "Agent",
    "AgentDependencies",
    "Fleet",
]
