"""Ten times `kill -9` of the daemon in the middle of many sends: what was acknowledged is there."""

import uuid

import apsw
import trio
from support.running import RunningHive

from hive.link import LinkClosed, Peer, connect
from hive.paths import Paths
from hive.wire.codec import PROTOCOL
from hive.wire.frames import Hello
from hive.wire.messages import OperatorSend, Sent

KILLS = 10
SENDERS = 50
BEFORE_A_KILL = 200


async def send_until_it_dies(hive: RunningHive, acknowledged: list[int]) -> None:
    """Send from many tasks; kill the daemon after some acknowledgements; all tasks then end."""
    path = Paths(hive.root).control
    enough = trio.Event()
    target = len(acknowledged) + BEFORE_A_KILL

    async def sender(peer: Peer) -> None:
        try:
            while True:
                answer = await peer.request(OperatorSend("manager", "x" * 200), timeout=30)
                assert isinstance(answer, Sent)
                acknowledged.append(answer.id)
                if len(acknowledged) >= target:
                    enough.set()
        except LinkClosed:
            pass

    hello = Hello(PROTOCOL, "operator", uuid.uuid4().hex)
    async with connect(path, hello) as (peer, _), trio.open_nursery() as nursery:
        for _ in range(SENDERS):
            nursery.start_soon(sender, peer)
        with trio.fail_after(30):
            await enough.wait()
        hive.kill_daemon()


def test_no_acknowledged_message_is_lost(hive: RunningHive) -> None:
    hive.ok("park", "manager")  # nobody shall take the messages meanwhile
    acknowledged: list[int] = []
    for _ in range(KILLS):
        trio.run(send_until_it_dies, hive, acknowledged)
        hive.up()
    database = apsw.Connection(str(Paths(hive.root).database), flags=apsw.SQLITE_OPEN_READONLY)
    stored = {row[0] for row in database.execute("SELECT id FROM messages")}
    (integrity,) = database.execute("PRAGMA integrity_check")
    database.close()
    assert len(acknowledged) >= KILLS * BEFORE_A_KILL
    assert len(set(acknowledged)) == len(acknowledged), "no id was given twice"
    assert set(acknowledged) <= stored
    assert integrity == ("ok",)
    assert hive.agent("manager")["queued"] == len(stored)
