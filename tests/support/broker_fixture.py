"""A broker on a real store, and what it published."""

from attrs import define

from hive.broker import Broker, Counts, Draft
from hive.wire.events import Event
from hive.wire.turns import Lease


@define
class BrokerFixture:
    """A broker and what it published."""

    broker: Broker
    published: list[tuple[str | None, Event]]
    names: set[str]
    """The agents that there are."""

    async def send(self, body: str = "hello", to: str = "bob", sender: str = "ann") -> int:
        return await self.broker.send(Draft(sender, to, body))

    async def lease(self, id_: str = "t1", holder: str = "h1", limit: int = 1) -> Lease:
        lease = await self.broker.lease("bob", holder, id_, limit)
        assert lease is not None
        return lease

    def counts(self, name: str = "bob") -> Counts:
        return self.broker.counts().get(name, Counts())
