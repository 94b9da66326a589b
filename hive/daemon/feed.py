"""What is shown to all who watch: each event once, and what the supervisors say as events."""

import logging
import time
from collections.abc import Callable, Container

from hive.events import Hub
from hive.operator.incidents import Incidents
from hive.redact import Secrets
from hive.supervisors import Event as SupervisorEvent
from hive.supervisors import Form, report
from hive.wire.events import Event
from hive.wire.tree import Supervision


class Feed:
    """Keeps and shows events; `publish` never blocks and never raises."""

    def __init__(self, events: Hub, incidents: Incidents, secrets: Secrets) -> None:
        self._events, self._incidents, self._secrets = events, incidents, secrets

    def publish(self, agent: str | None, event: Event, at: float | None = None, /) -> None:
        """Show an event; `at` is when it happened (epoch seconds, None: now)."""
        at = time.time() if at is None else at
        self._events.publish(agent, event, at)
        self._incidents.record(event, at)

    def supervision(self, event: SupervisorEvent) -> str | None:
        """Show an event of the tree, secrets hidden; the agent below which it was, if any."""
        parts = event.path.split("/")
        agent = parts[2] if len(parts) > 2 and parts[1] == "agents" else None
        kind = type(event).__name__.lower()
        full = ""
        if event.severity >= logging.ERROR:
            full = report(event, Form(redact=self._secrets.redact))
        line = self._secrets.redact(event.line())
        self.publish(agent, Supervision(event.path, kind, line, full))
        return agent


def supervision_sink(
    feed: Feed, agents: Container[str], changed: Callable[[str], None]
) -> Callable[[SupervisorEvent], None]:
    """The tree's sink: shows each event, and says `changed` of the agent whose state it may be."""

    def sink(event: SupervisorEvent) -> None:
        agent = feed.supervision(event)
        if agent is not None and agent in agents:
            changed(agent)

    return sink
