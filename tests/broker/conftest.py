from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.broker_fixture import BrokerFixture
from support.directories import Named

from hive.broker import Broker
from hive.store import MIGRATIONS, Store, open_store
from hive.wire.events import Event


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "hive.sqlite", MIGRATIONS) as store:
        yield store


@pytest.fixture
async def bench(store: Store) -> BrokerFixture:
    published: list[tuple[str | None, Event]] = []
    names = {"ann", "bob"}
    broker = Broker(
        store,
        publish=lambda agent, event: published.append((agent, event)),
        directory=Named(lambda: names),
    )
    await broker.load()
    return BrokerFixture(broker, published, names)
