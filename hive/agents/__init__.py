"""Agents: each one a small subtree of socket, container and serve mirror."""

from hive.agents.agent import Agent, Surroundings
from hive.agents.fleet import REMINDERS, Fleet
from hive.agents.policy import AgentPark
from hive.agents.records import AgentExists, AgentRecord, NoSuchAgent, Records, credential_key

__all__ = [
    "REMINDERS",
    "Agent",
    "AgentExists",
    "AgentPark",
    "AgentRecord",
    "Fleet",
    "NoSuchAgent",
    "Records",
    "Surroundings",
    "credential_key",
]
