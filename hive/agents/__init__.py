"""Agents: each one a small subtree of socket, container and serve mirror."""

from hive.agents.agent import Agent, AgentDependencies
from hive.agents.fleet import REMINDERS, Fleet

__all__ = [
    "REMINDERS",
    "Agent",
    "AgentDependencies",
    "Fleet",
]
