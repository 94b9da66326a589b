"""The directory: what is known about agents, in one place, below all parts that ask."""

from hive.directory.directory import AgentExists, Directory, NoSuchAgent
from hive.directory.record import (
    ALWAYS,
    MANAGER,
    AgentPark,
    AgentRecord,
    Rights,
    credential_key,
    park_in_force,
)

__all__ = [
    "ALWAYS",
    "MANAGER",
    "AgentExists",
    "AgentPark",
    "AgentRecord",
    "Directory",
    "NoSuchAgent",
    "Rights",
    "credential_key",
    "park_in_force",
]
