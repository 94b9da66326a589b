"""`kill -9` under load: what was acknowledged to a sender is there, whole."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import apsw

KILLS = 10
SENDERS = 50

CHILD = """
import os, sys
from pathlib import Path
import trio
from hive.broker import Broker, Draft
from hive.directory import Directory
from hive.store import MIGRATIONS, open_store

class Named(Directory):
    def names(self):
        return frozenset(["bob"])

async def main(path):
    async with open_store(Path(path), MIGRATIONS) as store, trio.open_nursery() as nursery:
        broker = Broker(store, publish=lambda *_: None, directory=Named(store))
        await broker.load()

        async def sender(n):
            while True:
                id_ = await broker.send(Draft("operator", "bob", f"from {n} " + "x" * 500))
                os.write(1, b"%d\\n" % id_)

        for n in range(int(sys.argv[2])):
            nursery.start_soon(sender, n)

trio.run(main, sys.argv[1])
"""


def acknowledged(path: Path, enough: int) -> list[int]:
    """Run the child until it has acknowledged `enough` sends, kill it, return all it has said."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), str(SENDERS)], stdout=subprocess.PIPE
    )
    limit = threading.Timer(20, child.kill)
    limit.start()
    assert child.stdout is not None
    with child, child.stdout as lines:
        ids = [int(next(lines)) for _ in range(enough)]
        child.send_signal(signal.SIGKILL)
        # A last line without its end was not heard by anybody.
        ids += [int(line) for line in lines if line.endswith(b"\n")]
    limit.cancel()
    assert child.returncode == -signal.SIGKILL
    return ids


def test_no_acknowledged_message_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "hive.sqlite"
    ids = [id_ for kill in range(KILLS) for id_ in acknowledged(path, 300 + 37 * kill)]
    assert len(ids) == len(set(ids)) > 300 * KILLS
    connection = apsw.Connection(str(path))
    assert connection.pragma("integrity_check") == "ok"
    stored = {
        id_ for (id_,) in connection.execute("SELECT id FROM messages WHERE length(body) > 500")
    }
    connection.close()
    assert set(ids) <= stored
    # Not acknowledged, yet stored: at most what each sender had under way at each kill.
    assert len(stored) - len(ids) <= KILLS * SENDERS
