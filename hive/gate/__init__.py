"""Limits and money: who must wait for what until when."""

from hive.gate.client import Client
from hive.gate.gates import Gates, GateUnavailable
from hive.gate.hold import Hold
from hive.gate.settings import GateSettings

__all__ = ["Client", "GateSettings", "GateUnavailable", "Gates", "Hold"]
