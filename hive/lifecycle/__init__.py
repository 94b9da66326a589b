"""An agent's life: what is wanted of it, what is seen of it, and what may be done with it.

Only the decisions are here; nothing of the hive uses them yet. `docs/lifecycle.md` tells it whole.
"""

from hive.lifecycle.permissions import NEEDS_APPROVAL, why_not_allowed
from hive.lifecycle.policy import (
    Acted,
    AgentLife,
    Drain,
    DrainStep,
    Observed,
    Verb,
    VerbOrder,
    VerbRefused,
    Wanted,
    WantedState,
    act,
    drain,
    on_time,
    purge_completed,
    reconcile,
    refusal,
    verbs,
)

__all__ = [
    "NEEDS_APPROVAL",
    "Acted",
    "AgentLife",
    "Drain",
    "DrainStep",
    "Observed",
    "Verb",
    "VerbOrder",
    "VerbRefused",
    "Wanted",
    "WantedState",
    "act",
    "drain",
    "on_time",
    "purge_completed",
    "reconcile",
    "refusal",
    "verbs",
    "why_not_allowed",
]
