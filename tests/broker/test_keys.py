"""An idempotency key stands for one message of its sender, for a day."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from support.directories import Named

from hive.broker import Broker, Draft, key_is_used
from hive.store import MIGRATIONS, open_store

DAY = 86_400.0


@pytest.mark.parametrize("to", ["bob", "*"])
async def test_a_key_counts_for_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    now = 1_000_000.0
    monkeypatch.setattr("hive.broker.broker.time", SimpleNamespace(time=lambda: now))
    async with open_store(tmp_path / "hive.sqlite", MIGRATIONS) as store:
        broker = Broker(
            store, publish=lambda *_: None, directory=Named(lambda: ["ann", "bob", "cas"])
        )
        await broker.load()
        draft = Draft("ann", to, "text", key="k")
        first = await broker.send(draft)
        now += DAY - 1
        assert await broker.send(draft) == first
        assert await store.read(lambda c: key_is_used(c, "ann", "k", now))
        now += 2
        assert not await store.read(lambda c: key_is_used(c, "ann", "k", now))
        second = await broker.send(draft)
        assert second > first
        assert await broker.send(draft) == second, "the new one has the key now"
        assert len(await broker.inbox("bob")) == 2
