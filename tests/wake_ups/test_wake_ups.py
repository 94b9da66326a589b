"""Wake-ups on a real store: one message each, capped, and kept over a restart."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st
from support.directories import Named

from hive.broker import BadLine, BodyTooLarge, Broker
from hive.store import MIGRATIONS, open_store
from hive.wake_ups import TooManyWakeUps, WakeUpService
from hive.wake_ups.policy import BY_SCRIPT, NEXT_TURN, WakeUpKind, check_rate
from hive.wire.daemon import Done
from hive.wire.wake_ups import RequestNextTurn, Wake


@define
class WakeUpFixture:
    """A broker with two agents, and their wake-ups."""

    broker: Broker
    wake_ups: WakeUpService


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[WakeUpFixture]:
    async with open_store(path, MIGRATIONS) as store:
        broker = Broker(store, Named(lambda: {"ann", "bob"}), publish=lambda *_: None)
        await broker.load()
        wake_ups = WakeUpService(store, broker)
        await wake_ups.load()
        yield WakeUpFixture(broker, wake_ups)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hive.sqlite"


@pytest.fixture
async def awoken(path: Path) -> AsyncIterator[WakeUpFixture]:
    async with opened(path) as awoken:
        yield awoken


async def test_one_more_turn_is_one_message_after_the_turn(path: Path) -> None:
    async with opened(path) as awoken:
        for reason in ("half is\nleft", "again"):
            assert await awoken.wake_ups.handle("ann", RequestNextTurn(reason)) == Done()
        assert await awoken.broker.inbox("ann") == (), "recv must not take it in this turn"
        await awoken.wake_ups.send_pending("bob")
    async with opened(path) as awoken:  # the daemon was restarted in mid-turn
        for _ in range(3):
            await awoken.wake_ups.send_pending("ann")
        (message,) = await awoken.broker.inbox("ann")
        assert message.sender == "ann" and message.body.endswith("one more turn: half is left")
        await awoken.wake_ups.handle("ann", RequestNextTurn("b"))
        await awoken.wake_ups.send_pending("ann")
        assert len(await awoken.broker.inbox("ann")) == 2


async def test_an_agent_cannot_spin_by_itself(awoken: WakeUpFixture) -> None:
    for _ in range(NEXT_TURN.an_hour):
        await awoken.wake_ups.handle("ann", RequestNextTurn("more"))
        await awoken.wake_ups.send_pending("ann")
    with pytest.raises(TooManyWakeUps, match=r"12 next turns an hour .* the next one is in 3600 s"):
        await awoken.wake_ups.handle("ann", RequestNextTurn("more"))
    await awoken.wake_ups.send_pending("ann")
    assert len(await awoken.broker.inbox("ann")) == NEXT_TURN.an_hour
    await awoken.wake_ups.handle("bob", RequestNextTurn("more"))


async def test_a_script_wakes_its_agent(awoken: WakeUpFixture) -> None:
    wake = Wake("cron\njob", "the build is done", "k")
    first = await awoken.wake_ups.handle("ann", wake)
    assert await awoken.wake_ups.handle("ann", wake) == first
    (message,) = await awoken.broker.inbox("ann")
    assert message.sender == "ann"
    assert message.body == 'Woken from within your container by "cron job":\nthe build is done'
    with pytest.raises(BadLine, match="label is empty"):
        await awoken.wake_ups.handle("ann", Wake("\n", "x"))
    with pytest.raises(BodyTooLarge):
        await awoken.wake_ups.handle("ann", Wake("x", "x" * 17_000))
    for _ in range(BY_SCRIPT.an_hour - 1):
        await awoken.wake_ups.handle("ann", Wake("loop", "x"))
    with pytest.raises(TooManyWakeUps, match="60 wake-ups by scripts an hour"):
        await awoken.wake_ups.handle("ann", Wake("loop", "x"))
    assert await awoken.wake_ups.handle("ann", wake) == first, "a repetition is none"


async def test_nothing_is_left_for_a_new_agent_of_the_same_name(path: Path) -> None:
    async with opened(path) as awoken:
        await awoken.wake_ups.handle("ann", RequestNextTurn("to count on"))
        await awoken.wake_ups.forget("ann")
    async with opened(path) as awoken:  # also after a restart
        await awoken.wake_ups.send_pending("ann")
        assert await awoken.broker.inbox("ann") == ()


@given(st.lists(st.floats(0, 10_000), max_size=20).map(sorted), st.floats(0, 10_000))
def test_a_rate_never_lets_more_through_than_it_says(times: list[float], now: float) -> None:
    recent = [at for at in times if now - 3600 < at <= now]
    try:
        check_rate(times, WakeUpKind("wake", 5, "wakes"), now)
    except TooManyWakeUps as error:
        assert len(recent) >= 5
        wait = int(str(error).split(" is in ")[1].split(" s")[0])
        assert sum(now + wait - 3600 < at for at in recent) < 5, "then it is allowed"
    else:
        assert len(recent) < 5
