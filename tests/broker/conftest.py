from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.broker_bench import Bench

from hive.broker import Broker
from hive.store import MIGRATIONS, Store, open_store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "hive.sqlite", MIGRATIONS) as store:
        yield store


@pytest.fixture
async def bench(store: Store) -> Bench:
    bench = Bench(None)  # type: ignore[arg-type]
    bench.broker = Broker(
        store,
        publish=lambda agent, event: bench.published.append((agent, event)),
        recipients=lambda: bench.names,
    )
    await bench.broker.load()
    return bench
