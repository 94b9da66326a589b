"""The limit gates: while an API refuses work, the agents of that credential wait.

Each credential has a gate with a bucket for all models and others for a family or a single model.
What an agent meets closes a bucket for all of them; later one agent tries, and when it gets an
answer the others follow one after the other. `docs/limits.md` tells it from the operator's side.
"""

from hive.gate.gate import Client, GateSettings
from hive.gate.holds import Hold
from hive.gate.service import GateService, GateUnavailable

__all__ = ["Client", "GateService", "GateSettings", "GateUnavailable", "Hold"]
