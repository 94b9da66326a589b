"""What is shown to all who watch: each event once, and what the supervisors do as events."""

import time

from hive.events import Hub
from hive.operator.incidents import Incidents
from hive.redact import Secrets
from hive.supervision import supervision
from hive.supervisors import Event as SupervisorEvent
from hive.wire.events import Event


class Feed:
    """Keeps and shows events; none of its methods blocks or raises."""

    def __init__(self, events: Hub, incidents: Incidents, secrets: Secrets) -> None:
        self._events, self._incidents, self._secrets = events, incidents, secrets

    def publish(self, agent: str | None, event: Event, at: float | None = None, /) -> None:
        """Show an event, of `agent` or (None) of the hive as a whole.

        `at` is when it happened, in epoch seconds; None: now.
        """
        at = time.time() if at is None else at
        self._events.publish(agent, event, at)
        self._incidents.record(event, at)

    def publish_supervision(self, event: SupervisorEvent) -> str | None:
        """Show an event of the daemon's tree without secrets.

        Returns the name of the agent in whose subtree it was, None if it was in none.
        """
        parts = event.path.split("/")
        agent = parts[2] if len(parts) > 2 and parts[1] == "agents" else None
        self.publish(agent, supervision(event, self._secrets.redact))
        return agent
