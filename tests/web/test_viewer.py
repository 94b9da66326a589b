"""What one page is told, on a virtual clock."""

from typing import Any

import orjson
import pytest
import trio
import trio.testing

from hive.wire.daemon import Notice, Status
from hive.wire.events import EventBatch, LiveEvent
from hive.wire.states import AgentState
from hive.wire.tree import TreeNode
from web.events import RecentEvents
from web.state import PageState
from web.viewer import BATCH, BEAT, RESTART, RESYNC, Goodbye, watch


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return ("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})


class Page:
    """Collects frames, while `reading` is set."""

    def __init__(self) -> None:
        self.frames: list[tuple[float, dict[str, Any]]] = []
        self.reading = trio.Event()
        self.reading.set()
        self.goodbye: Goodbye | None = None

    async def send(self, frame: bytes) -> None:
        await self.reading.wait()
        self.frames.append((trio.current_time(), orjson.loads(frame)))

    async def open(self, state: PageState, since: int = 0) -> None:
        self.goodbye = await watch(state, since, self.send)

    def seqs(self) -> list[int]:
        return [event["seq"] for _, frame in self.frames for event in frame.get("events", [])]


def publish(state: PageState, first: int, last: int) -> None:
    events = (LiveEvent(seq, 0.0, None, Notice("n")) for seq in range(first, last + 1))
    state.add(EventBatch(tuple(events)))


def here(size: int = 2000) -> PageState:
    state = PageState()
    state.arrive()
    state.events = RecentEvents(size)
    return state


def status(root: str) -> Status:
    return Status(1, root, 0, (), TreeNode("hive", "supervisor", AgentState.RUNNING, 0.0))


async def test_events_of_one_moment_come_in_one_frame_and_floods_in_few() -> None:
    state, page = here(), Page()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(page.open, state)
        for seq in range(1, 101):
            publish(state, seq, seq)
            await trio.sleep(0.001)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert page.seqs() == list(range(1, 101))
    assert len(page.frames) <= 0.1 / BATCH + 2


async def test_the_stream_begins_after_the_snapshot() -> None:
    state, page = here(), Page()
    publish(state, 1, 10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(page.open, state, 7)
        await trio.sleep(0.1)
        publish(state, 11, 11)
        await trio.sleep(0.1)
        nursery.cancel_scope.cancel()
    assert page.seqs() == [8, 9, 10, 11]


@pytest.mark.parametrize("since", [3, 99])
async def test_a_place_that_is_not_in_the_ring_must_resync(since: int) -> None:
    state, page = here(size=5), Page()
    publish(state, 1, 10)
    await page.open(state, since)
    assert page.goodbye == RESYNC
    assert page.frames[-1][1] == {"resync": True}
    assert page.seqs() == []


async def test_a_slow_page_is_sent_away_and_the_others_see_everything() -> None:
    state, slow, quick = here(size=50), Page(), Page()
    slow.reading = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(slow.open, state)
        nursery.start_soon(quick.open, state)
        for first in range(1, 200, 20):
            publish(state, first, first + 19)
            await trio.sleep(0.1)
        slow.reading.set()
        await trio.sleep(1)
        assert slow.goodbye == RESYNC
        assert slow.frames[-1][1] == {"resync": True}
        assert quick.seqs() == list(range(1, 201))
        nursery.cancel_scope.cancel()


async def test_silence_is_broken_by_beats() -> None:
    state, page = here(), Page()
    with trio.move_on_after(BEAT * 3.5):
        await page.open(state)
    assert [frame for _, frame in page.frames] == [{}, {}, {}]


async def test_a_lost_daemon_is_told_and_its_return_means_resync() -> None:
    state, page = here(), Page()
    publish(state, 1, 5)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(page.open, state, 5)
        await trio.sleep(1)
        state.lose("no such file")
        state.lose("no such file")
        await trio.sleep(1)
        state.forget()
        publish(state, 1, 9)  # its history, before it is said to be there
        await trio.sleep(1)
        assert [frame for _, frame in page.frames] == [{"daemon": {"away": "no such file"}}]
        state.arrive()
    assert page.goodbye == RESYNC


async def test_a_page_that_opens_while_the_daemon_is_away_learns_it() -> None:
    state, page = PageState(), Page()
    state.lose("gone")
    with trio.move_on_after(1):
        await page.open(state, 123)
    assert page.frames == [(page.frames[0][0], {"daemon": {"away": "gone"}})]


async def test_each_status_is_told_once_and_the_newest_wins() -> None:
    state, page = here(), Page()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(page.open, state)
        await trio.sleep(0.5)
        for number in range(20):
            state.set_status(status(f"/{number}"))
            await trio.sleep(0.01)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    roots = [frame["status"]["root"] for _, frame in page.frames]
    assert roots[-1] == "/19"
    assert len(roots) <= 0.2 / BATCH + 2


async def test_draining_says_goodbye_at_once() -> None:
    state, page = here(), Page()
    with trio.move_on_after(BEAT):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(page.open, state)
            await trio.sleep(1)
            began = trio.current_time()
            state.drain()
    assert page.goodbye == RESTART
    assert trio.current_time() - began < 0.1
