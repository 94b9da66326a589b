"""Stopping the daemon, and one agent, under a load of due reminders: in order, nothing halved."""

from functools import partial
from pathlib import Path

import apsw
import trio
import trio.testing
from support.directories import Named

from hive.broker import Broker
from hive.reminders import ReminderService, StateFolder, policy
from hive.store import MIGRATIONS, Store
from hive.supervisors import ChildSpec, Context, Event, Overdue, Strategy, Supervisor

AGENTS = 10
EACH = 1000
NAMES = [f"a{n}" for n in range(AGENTS)]


def fill(connection: apsw.Connection) -> None:
    connection.executemany(
        "INSERT INTO reminders (agent, text, created_at, due_at, retry_at, state)"
        " VALUES (?, 'x', 1, 2, 2, 'pending')",
        [(name,) for name in NAMES] * EACH,
    )


def tree(store: Store, broker: Broker, reminders: ReminderService) -> Supervisor:
    """The daemon's parts in their order, as far as reminders need them."""
    children = [ChildSpec("store", store.run, grace=30.0), ChildSpec("broker", broker.run)]
    children += [
        ChildSpec(name, partial(reminders.scheduler, agent=name), grace=15.0) for name in NAMES
    ]
    children.append(ChildSpec("reminders", reminders.run, grace=15.0))
    return Supervisor(children, strategy=Strategy.REST_FOR_ONE)


async def test_a_stop_under_load(tmp_path: Path) -> None:
    path = tmp_path / "hive.sqlite"
    store = Store(path, MIGRATIONS)
    broker = Broker(store, Named(lambda: NAMES), publish=lambda *_: None)
    state_folder = StateFolder(Path("/nowhere"), Path("/nowhere"))
    quiet = lambda *_: None  # noqa: E731
    reminders = ReminderService(store, broker, state_folder=lambda _: state_folder, publish=quiet)  # type: ignore[arg-type]
    events: list[Event] = []
    ctx = Context("top", on_event=events.append)
    top = tree(store, broker, reminders)

    def delivered() -> int:
        return sum(count.queued for count in broker.counts().values())

    async def more(count: int) -> None:
        goal = delivered() + count
        with trio.fail_after(30):
            while delivered() < goal:
                await trio.testing.wait_all_tasks_blocked(0.001)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(top.run, ctx)
        while ctx.ready_at is None:
            await trio.testing.wait_all_tasks_blocked(0.001)
        await store.write(fill)
        for name in NAMES:
            top.kick(name)  # they look again
        await more(300)
        began = trio.current_time()
        await top.terminate_child("a0")
        assert trio.current_time() - began < 5, "one agent stops at once"
        await more(300)  # the others go on
        began = trio.current_time()
        ctx.stop_requested.set()
    assert trio.current_time() - began < 5, "so does the daemon"
    assert 600 <= delivered() < AGENTS * EACH, "in the middle of the work"
    assert not [event for event in events if isinstance(event, Overdue)]

    connection = apsw.Connection(str(path))
    sent = connection.execute("SELECT agent, id FROM reminders WHERE state = 'sent'").fetchall()
    keys = connection.execute("SELECT idempotency_key FROM messages").fetchall()
    connection.close()
    assert sorted(f"reminder-{id_}" for _, id_ in sent) == sorted(key for (key,) in keys)
    assert len(sent) == delivered(), "what was committed was announced"
    for name in NAMES:
        assert sum(agent == name for agent, _ in sent) % policy.BATCH == 0, "whole batches"
