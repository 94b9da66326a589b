"""`kill -9` while reminders are delivered: never sent without its message, nor a message twice."""

import signal
import subprocess
import sys
from pathlib import Path

import apsw

KILLS = 8
AGENTS = 10
EACH = 400

CHILD = """
import os, sys
from pathlib import Path
import trio
from hive.broker import Broker
from hive.directory import Directory
from hive.reminders import StateFolder, ReminderService
from hive.store import MIGRATIONS, open_store
from hive.supervisors import Context

class Named(Directory):
    def names(self):
        return frozenset(f"a{n}" for n in range(int(sys.argv[2])))

async def main(path):
    names = [f"a{n}" for n in range(int(sys.argv[2]))]
    async with open_store(Path(path), MIGRATIONS) as store, trio.open_nursery() as nursery:
        broker = Broker(
            store, publish=lambda *_: os.write(1, b"."), directory=Named(store)
        )
        await broker.load()
        folder = StateFolder(Path("/nowhere"), Path("/nowhere"))
        quiet = lambda *_: None
        reminders = ReminderService(store, broker, state_folder=lambda _: folder, publish=quiet)
        for name in names:
            nursery.start_soon(reminders.scheduler, Context("t"), name)

trio.run(main, sys.argv[1])
"""


def prepare(path: Path) -> None:
    from hive.store.connections import open_writer
    from hive.store.schema import MIGRATIONS, migrate

    connection = open_writer(path, create=True)
    migrate(connection, MIGRATIONS)
    rows = [(f"a{n}",) for n in range(AGENTS)] * EACH
    with connection:
        connection.executemany(
            "INSERT INTO reminders (agent, text, created_at, due_at, retry_at, state)"
            " VALUES (?, 'x', 1, 2, 2, 'pending')",
            rows,
        )
    connection.close()


def run_until_killed(path: Path, announced: int) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), str(AGENTS)], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    with child, child.stdout as told:
        told.read(announced)
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL


def test_sent_and_the_message_are_one(tmp_path: Path) -> None:
    path = tmp_path / "hive.sqlite"
    prepare(path)
    counts = []
    for kill in range(KILLS):
        run_until_killed(path, 30 + 97 * kill)
        connection = apsw.Connection(str(path))
        sent = connection.execute("SELECT id FROM reminders WHERE state = 'sent'").fetchall()
        keys = connection.execute("SELECT idempotency_key FROM messages").fetchall()
        connection.close()
        assert sorted(f"reminder-{id_}" for (id_,) in sent) == sorted(key for (key,) in keys)
        counts.append(len(sent))
    assert counts == sorted(counts) and counts[0] < AGENTS * EACH, "killed in the middle"
    assert len(set(counts)) > 1
