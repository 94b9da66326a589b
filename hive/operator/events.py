"""Events: shown to all who watch, kept, asked for and followed."""

import time

from attrs import frozen

from hive.events import Hub, Lagged
from hive.operator.handlers import PushBody, Stream, Table, newest_that_fit, read, row_limit
from hive.operator.incidents import Incidents
from hive.redact import Secrets
from hive.supervision import supervision
from hive.supervisors import Event as SupervisorEvent
from hive.wire.events import Event, EventBatch, Events, Follow, GetEvents, Resync

EVENTS_A_FRAME = 64
"""Events in one push at most."""

GATHER_S = 0.02
"""How long an event waits for others, to be pushed with them: followers must not slow down work."""


class EventPublisher:
    """Keeps and shows events; none of its methods blocks or raises."""

    def __init__(self, hub: Hub, incidents: Incidents, secrets: Secrets) -> None:
        self._hub, self._incidents, self._secrets = hub, incidents, secrets

    def publish(self, agent: str | None, event: Event, at: float | None = None, /) -> None:
        """Show an event of `agent`; None: of the hive as a whole.

        `at` is when it happened, in epoch seconds; None: now.
        """
        at = time.time() if at is None else at
        self._hub.publish(agent, event, at)
        self._incidents.record(event, at)

    def publish_supervision(self, event: SupervisorEvent) -> str | None:
        """Show an event of the daemon's tree without secrets.

        Returns the name of the agent in whose subtree it was, None if it was in none.
        """
        parts = event.path.split("/")
        agent = parts[2] if len(parts) > 2 and parts[1] == "agents" else None
        self.publish(agent, supervision(event, self._secrets.redact))
        return agent


def table(hub: Hub) -> Table:
    """What the operator and the page may ask about events."""
    events = _Events(hub)
    return {GetEvents: read(events.recent), Follow: Stream(events.follow)}


@frozen
class _Events:
    hub: Hub

    async def recent(self, asked: GetEvents) -> Events:
        events = await self.hub.recent(asked.agent, asked.since, row_limit(asked.limit))
        return Events(newest_that_fit(events), self.hub.seq)

    async def follow(self, follow: Follow, push: PushBody) -> None:
        try:
            feed = self.hub.subscribe(follow.agent, follow.since)
            while True:
                batch = await feed.next_batch(gather=GATHER_S)
                for start in range(0, len(batch), EVENTS_A_FRAME):
                    await push(EventBatch(batch[start : start + EVENTS_A_FRAME]))
        except Lagged:
            await push(Resync())
