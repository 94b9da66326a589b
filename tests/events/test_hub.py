"""The hub: one sequence that never goes back, readers without gap or double, saved in batches."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio
import trio.testing

from hive.events import Hub, Lagged, Subscription
from hive.events import hub as hub_module
from hive.store import MIGRATIONS, Store, StoreClosed, fetch, open_store
from hive.supervisors import Context
from hive.wire.daemon import Notice
from hive.wire.events import LiveEvent


class Recorder(Context):
    """Remembers what the child has said."""

    def __init__(self) -> None:
        self.was_ready = trio.Event()
        self.ticks = trio.Semaphore(0)
        super().__init__("test", on_ready=lambda _: self.was_ready.set())

    def tick(self) -> None:
        self.ticks.release()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hive.sqlite"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    async with open_store(path, MIGRATIONS) as opened:
        yield opened


@pytest.fixture
async def hub(store: Store) -> Hub:
    hub = Hub(store)
    await hub.load()
    return hub


def say(hub: Hub, *texts: object, agent: str | None = "ann") -> list[int]:
    lives = [hub.publish(agent, Notice(str(text))) for text in texts]
    return [live.seq for live in lives if live is not None]


def texts(lives: tuple[LiveEvent, ...]) -> list[str]:
    return [live.event.text for live in lives if isinstance(live.event, Notice)]


async def run_hub(hub: Hub, while_running: Callable[[], object]) -> None:
    """Run the hub as a child, do something, stop it (it saves what is left)."""
    ctx = Recorder()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run, ctx)
        await ctx.was_ready.wait()
        while_running()
        nursery.cancel_scope.cancel()


async def saved(store: Store) -> list[int]:
    rows = await store.read(lambda c: fetch(c, "SELECT seq FROM events ORDER BY seq"))
    return [seq for (seq,) in rows]


# --- sequence ------------------------------------------------------------------------------------


async def test_numbers_rise_by_one(hub: Hub) -> None:
    before = hub.seq
    assert say(hub, "a", "b", "c") == [before + 1, before + 2, before + 3]
    assert hub.seq == before + 3


async def test_numbers_never_go_back_even_when_nothing_was_saved(store: Store) -> None:
    first = Hub(store)
    await run_hub(first, lambda: say(first, "saved"))
    unsaved = say(first, *range(9_000))  # shown, and then the process dies
    second = Hub(store)
    await second.load()
    assert say(second, "next")[0] > unsaved[-1]


async def test_what_comes_before_the_load_is_numbered_by_it(store: Store) -> None:
    hub = Hub(store)
    assert hub.publish(None, Notice("early"), at=5.0) is None
    await hub.load()
    say(hub, "late")
    recent = await hub.recent()
    assert texts(recent) == ["early", "late"]
    assert recent[0].at == 5.0


async def test_a_restart_of_the_child_keeps_sequence_and_memory(hub: Hub) -> None:
    await run_hub(hub, lambda: say(hub, "one"))
    seq = hub.seq
    await run_hub(hub, lambda: say(hub, "two"))
    assert hub.seq == seq + 1
    assert texts(await hub.recent()) == ["one", "two"]


async def test_an_event_that_cannot_be_encoded_becomes_a_notice(store: Store) -> None:
    """It must neither stop the saving for ever nor break those who send events on."""
    hub = Hub(store)
    await run_hub(hub, lambda: say(hub, "before", "file \udcff", "after"))
    again = Hub(store)
    await again.load()
    before, notice, after = texts(await again.recent())
    assert (before, after) == ("before", "after")
    assert "a Notice event cannot be encoded" in notice


# --- readers -------------------------------------------------------------------------------------


async def test_a_reader_gets_memory_first_and_then_the_stream(hub: Hub) -> None:
    say(hub, "a", "b")
    subscription = hub.subscribe()
    say(hub, "c")
    assert texts(await subscription.next_batch()) == ["a", "b", "c"]
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read_into, subscription, heard := list[str](), 2)
            await trio.testing.wait_all_tasks_blocked()
            assert heard == []
            say(hub, "d")
            await trio.testing.wait_all_tasks_blocked()
            say(hub, "e")
    assert heard == ["d", "e"]


async def read_into(subscription: Subscription, heard: list[str], number: int) -> None:
    await trio.lowlevel.checkpoint()
    while len(heard) < number:
        heard += texts(await subscription.next_batch())


async def test_between_snapshot_and_stream_there_is_no_gap_and_no_double(hub: Hub) -> None:
    say(hub, "a", "b")
    seq = hub.seq
    say(hub, "c")
    snapshot = [live for live in await hub.recent() if live.seq <= seq]
    stream = await hub.subscribe(since=seq).next_batch()
    assert texts((*snapshot, *stream)) == ["a", "b", "c"]


async def test_a_reader_of_one_agent_gets_only_its_events(hub: Hub) -> None:
    subscription = hub.subscribe("ann")
    say(hub, "of bob", agent="bob")
    say(hub, "of nobody", agent=None)
    say(hub, "of ann")
    assert texts(await subscription.next_batch()) == ["of ann"]
    with trio.move_on_after(0.01) as scope:
        say(hub, "of bob", agent="bob")
        await subscription.next_batch()
    assert scope.cancelled_caught
    say(hub, "more of ann")
    assert texts(await subscription.next_batch()) == ["more of ann"]


async def test_batches_are_bounded_and_complete(hub: Hub) -> None:
    subscription = hub.subscribe()
    say(hub, *range(600))
    batches = [texts(await subscription.next_batch()) for _ in range(3)]
    assert [len(batch) for batch in batches] == [256, 256, 88]
    assert [text for batch in batches for text in batch] == [str(n) for n in range(600)]


async def test_a_slow_reader_is_told_and_the_others_go_on(store: Store) -> None:
    hub = Hub(store, ring=10)
    await hub.load()
    slow, quick = hub.subscribe(), hub.subscribe()
    say(hub, *range(10))
    assert len(await quick.next_batch()) == 10
    say(hub, 10)  # pushes out the first, which the slow reader has not seen
    with pytest.raises(Lagged, match="new snapshot"):
        await slow.next_batch()
    assert texts(await quick.next_batch()) == ["10"]
    assert texts(await hub.subscribe().next_batch()) == [str(n) for n in range(1, 11)]


async def test_a_number_of_another_sequence_is_refused(store: Store) -> None:
    hub = Hub(store, ring=10)
    await run_hub(hub, lambda: say(hub, *range(20)))
    for since in (hub.seq + 1, hub.seq - 11, 3):
        with pytest.raises(Lagged):
            hub.subscribe(since=since)
    hub.subscribe(since=hub.seq - 10)
    hub.subscribe(since=hub.seq)

    second = Hub(store, ring=10)
    await second.load()
    second.subscribe(since=hub.seq)  # all was saved: the reader has missed nothing
    second.subscribe(since=second.seq)
    with pytest.raises(Lagged):  # seen by the reader, lost by the hive
        second.subscribe(since=hub.seq + 1)


async def test_publishing_wakes_many_readers(hub: Hub) -> None:
    heard: list[list[str]] = [[] for _ in range(50)]
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            for one in heard:
                nursery.start_soon(read_into, hub.subscribe(), one, 3)
            await trio.testing.wait_all_tasks_blocked()
            say(hub, "a", "b", "c")
    assert heard == [["a", "b", "c"]] * 50


# --- memory and disk -----------------------------------------------------------------------------


async def test_recent_gives_the_newest_from_memory_and_disk(store: Store) -> None:
    hub = Hub(store, ring=10)
    await run_hub(hub, lambda: say(hub, *range(30)))
    say(hub, "not saved")
    everything = [*map(str, range(30)), "not saved"]
    assert texts(await hub.recent()) == everything
    assert texts(await hub.recent(limit=25)) == everything[-25:]
    assert texts(await hub.recent(limit=4)) == everything[-4:]
    assert await hub.recent(limit=0) == ()
    assert texts(await hub.recent(since=hub.seq - 15)) == everything[-15:]
    assert texts(await hub.recent("ann", limit=3)) == everything[-3:]
    assert await hub.recent("bob") == ()
    assert texts(await hub.recent(since=-(2**70), limit=2**70)) == everything


async def test_memory_comes_back_from_disk(store: Store) -> None:
    first = Hub(store)
    await run_hub(first, lambda: say(first, "a", "b"))
    second = Hub(store)
    await second.load()
    assert texts(await second.subscribe().next_batch()) == ["a", "b"]
    say(second, "c")
    assert texts(await second.recent()) == ["a", "b", "c"]


async def test_an_event_that_cannot_be_read_is_left_out(store: Store) -> None:
    await store.write(
        lambda c: fetch(c, """INSERT INTO events VALUES (1, 1.0, NULL, '{"kind": "future"}')""")
    )
    hub = Hub(store)
    await hub.load()
    assert await hub.recent() == ()
    assert hub.seq > 1


async def test_only_the_newest_rows_are_kept(store: Store) -> None:
    hub = Hub(store, keep=300)
    await run_hub(hub, lambda: say(hub, *range(1_000)))
    assert await saved(store) == list(range(hub.seq - 299, hub.seq + 1))
    smaller = Hub(store, keep=10)
    await run_hub(smaller, lambda: say(smaller, "one more"))
    assert await saved(store) == [*range(hub.seq - 8, hub.seq + 1), smaller.seq]


async def test_events_are_saved_in_batches(store: Store, hub: Hub) -> None:
    commits = 0

    def count() -> bool:
        nonlocal commits
        commits += 1
        return False

    await store.write(lambda connection: connection.set_commit_hook(count))
    await run_hub(hub, lambda: say(hub, *range(1_000)))
    assert len(await saved(store)) == 1_000
    assert commits < 10


async def test_failing_to_save_is_said_once_and_made_up_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "_RETRY_S", 0.01)
    monkeypatch.setattr(hub_module, "_GATHER_S", 0.0)
    store = Store(path, MIGRATIONS)
    hub = Hub(store)
    ctx = Recorder()
    with trio.fail_after(10):
        async with AsyncExitStack() as later:
            async with store.opened():
                await hub.load()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(hub.run, ctx)
                await ctx.was_ready.wait()
                say(hub, "a")
                reader = hub.subscribe()
                heard: list[str] = []
                await read_into(reader, heard, 2)
                for _ in range(5):  # it tries again and again
                    await ctx.ticks.acquire()
                say(hub, "b")
                await later.enter_async_context(store.opened())
                await read_into(reader, heard, 4)
                nursery.cancel_scope.cancel()
            numbers = await saved(store)
    assert heard[0] == "a"
    assert "not saved for now: the store is not open" in heard[1]
    assert heard[2:] == ["b", "events are saved again"]
    assert numbers == list(range(hub.seq - 3, hub.seq + 1))


async def test_without_a_store_there_is_no_history_but_an_error(path: Path) -> None:
    hub = Hub(Store(path, MIGRATIONS))
    with pytest.raises(StoreClosed):
        await hub.load()


async def test_an_event_keeps_its_own_time_and_its_place_by_number(path: Path) -> None:
    async with open_store(path, MIGRATIONS) as store:
        hub = Hub(store)
        hub.publish("ann", Notice("early"), 50.0)  # before the hub knows its numbers
        await hub.load()
        for at in (200.0, 100.0, 300.0):
            hub.publish("ann", Notice(f"{at:g}"), at)
        seen = await hub.recent("ann")
        await run_hub(hub, lambda: None)
    async with open_store(path, MIGRATIONS) as store:
        again = Hub(store)
        await again.load()
        assert await again.recent("ann") == seen
    assert [(live.at, live.event.text) for live in seen] == [  # type: ignore[union-attr]
        (50.0, "early"), (200.0, "200"), (100.0, "100"), (300.0, "300"),
    ]  # fmt: skip
    assert [live.seq for live in seen] == sorted(live.seq for live in seen)
