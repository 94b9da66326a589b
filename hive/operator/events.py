"""Events: those that were kept, and those that come, to whoever follows them."""

from attrs import frozen

from hive.events import Hub, Lagged
from hive.operator.handlers import PushBody, Stream, Table, newest_that_fit, read, row_limit
from hive.wire.events import EventBatch, Events, Follow, GetEvents, Resync

EVENTS_A_FRAME = 64
"""Events in one push at most."""

GATHER_S = 0.02
"""How long an event waits for others, to be pushed with them: followers must not slow down work."""


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
