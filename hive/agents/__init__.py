"""Agents: each one a small subtree of socket, container and serve mirror."""

from hive.agents.agent import Agent, Surroundings
from hive.agents.fleet import REMINDERS, Fleet, NoSuchAgent
from hive.agents.records import AgentExists, AgentRecord, Records, credential_key

__all__ = [
    "REMINDERS",
    "Agent",
    "AgentExists",
    "AgentRecord",
    "Fleet",
    "NoSuchAgent",
    "Records",
    "Surroundings",
    "credential_key",
]
