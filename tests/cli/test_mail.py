"""The commands about messages, against the real socket: nothing in a message drives a terminal."""

import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import pytest
import trio
import trio.testing
from attrs import define
from click.testing import CliRunner, Result
from support.directories import Named
from support.operator_socket import listen

from hive.broker import Broker, Draft
from hive.cli import main
from hive.link import Peer, RemoteError, connect
from hive.operator import messages, server
from hive.operator.audit import AuditLog
from hive.paths import Paths
from hive.store import MIGRATIONS, open_store
from hive.wire.bodies import Body
from hive.wire.codec import PROTOCOL
from hive.wire.frames import Hello
from hive.wire.messages import Count, Resolve, Sent

HOSTILE = "\x1b]0;title\x07\x1b[2J\r\n\u202emoc\x9b31m<b>"


@define
class Seat:
    """As much of a hive as these requests need, and its operator."""

    paths: Paths
    broker: Broker
    audit: AuditLog

    async def command(self, *arguments: str) -> Result:
        """`hive …` in a thread, so that the daemon's side can answer."""
        invoke = partial(CliRunner().invoke, main, [*arguments, "--root", str(self.paths.root)])
        with trio.fail_after(20):
            return await trio.to_thread.run_sync(invoke)

    async def held(self, body: str = "work") -> int:
        id_ = await self.broker.send(Draft("ann", "bob", body))
        for n in range(6):
            lease = f"{id_}-{n}"
            await self.broker.lease("bob", "h", lease)
            await self.broker.give_back(lease, "h", count=False, limited=True, why="limited")
        return id_

    async def state(self, id_: int) -> str:
        message = await self.broker.message(id_)
        assert message is not None
        return message.state.value

    async def audited(self) -> list[tuple[str, str, str]]:
        return [(e.action, e.target, e.detail) for e in await self.audit.newest(10)]


@pytest.fixture
async def seat(tmp_path: Path) -> AsyncIterator[Seat]:
    paths = Paths(tmp_path)
    paths.prepare()
    async with open_store(paths.database, MIGRATIONS) as store, trio.open_nursery() as nursery:
        broker = Broker(
            store,
            publish=lambda *_: None,
            directory=Named(lambda: ["ann", "bob"]),
            urgent=lambda name: None if name == "bob" else f"{name} has no reserve",
        )
        await broker.load()
        seat = Seat(paths, broker, AuditLog(store))
        table = messages.table(broker, Mock())
        await listen(nursery, paths, table, seat.audit)
        yield seat
        nursery.cancel_scope.cancel()


async def test_nothing_undelivered_says_so(seat: Seat) -> None:
    result = await seat.command("dead")
    assert (result.exit_code, result.output) == (0, "nothing is dead or held\n")
    assert (await seat.command("dead", "--json")).output == "[]\n"


async def test_what_waits_is_listed_and_drives_no_terminal(seat: Seat) -> None:
    id_ = await seat.held(HOSTILE)
    head, line = (await seat.command("dead")).output.splitlines()
    assert head.split() == ["ID", "STATE", "FROM", "TO", "SENT", "FAILED", "RETURNED", "BEGINS"]
    assert line.split()[:4] == [str(id_), "held", "ann", "bob"]
    assert line.split()[5:7] == ["0", "6"]
    assert line.isprintable()
    (shown,) = json.loads((await seat.command("dead", "--json")).output)
    assert (shown["id"], shown["from"], shown["to"]) == (id_, "ann", "bob")
    assert (shown["state"], shown["returns"], shown["body"]) == ("held", 6, HOSTILE)
    assert shown["urgent"] is False


async def test_retry_queues_and_is_audited(seat: Seat) -> None:
    first, second = await seat.held(), await seat.held()
    result = await seat.command("retry", str(first), str(first), str(second), "99")
    assert (result.exit_code, result.output) == (0, "retried 2 of 3\n")
    assert [await seat.state(first), await seat.state(second)] == ["queued", "queued"]
    assert await seat.audited() == [("retry", "messages", f"{first} {second} 99")]


async def test_drop_gives_up_then_forgets(seat: Seat) -> None:
    id_ = await seat.held()
    for state in ("dead", "done"):
        result = await seat.command("drop", str(id_))
        assert (result.exit_code, result.output) == (0, "dropped 1 of 1\n")
        assert await seat.state(id_) == state
    assert await seat.audited() == [("drop", "messages", str(id_))] * 2


@pytest.mark.parametrize("action", ["retry", "drop"])
async def test_nothing_matched_is_a_failure_that_says_what_to_do(seat: Seat, action: str) -> None:
    queued = await seat.broker.send(Draft("ann", "bob", "work"))
    result = await seat.command(action, str(queued))
    assert result.exit_code == 1
    assert "`hive dead` lists them" in result.output
    assert await seat.state(queued) == "queued"


@pytest.mark.parametrize("arguments", [["retry"], ["retry", "x"], ["drop", "0"], ["drop", "-3"]])
async def test_wrong_ids_are_wrong_usage(seat: Seat, arguments: list[str]) -> None:
    assert (await seat.command(*arguments)).exit_code == 2
    assert await seat.audited() == []


async def test_send_urgent_asks_for_the_reserve(seat: Seat) -> None:
    result = await seat.command("send", "bob", "now", "--urgent")
    assert result.exit_code == 0
    message = await seat.broker.message(int(result.output))
    assert message is not None and message.urgent
    refused = await seat.command("send", "ann", "now", "--urgent")
    assert (refused.exit_code, refused.output) == (1, "hive: ann has no reserve\n")
    assert (await seat.command("send", "ann", "now")).exit_code == 0


@pytest.mark.parametrize(
    ("resolve", "text"),
    [
        (Resolve((1,), "burn"), r"action must be one of \['drop', 'retry'\]"),
        (Resolve(tuple(range(1001)), "retry"), "at most 1000 ids"),
    ],
)
async def test_the_socket_refuses_what_no_command_asks(
    seat: Seat, resolve: Resolve, text: str
) -> None:
    peer: Peer
    async with connect(seat.paths.control, Hello(PROTOCOL, "operator", "x")) as (peer, _):
        with pytest.raises(RemoteError, match=text):
            await peer.request(resolve, timeout=5)
        assert await peer.request(Resolve((2**62, -5), "drop"), timeout=5) == Count(0)
    ends = [(entry.action, entry.outcome) for entry in await seat.audit.newest(10)]
    assert ends == [(resolve.action, "refused"), ("drop", "done")]


async def test_a_thread_is_shown_whole(seat: Seat) -> None:
    first = await seat.broker.send(Draft("ann", "bob", HOSTILE))
    second = await seat.broker.send(Draft("bob", "ann", "answer", first))
    shown = await seat.command("thread", str(first))
    assert shown.exit_code == 0 and f"in reply to {first}" in shown.output
    assert all(c.isprintable() or c == "\n" for c in shown.output)
    as_json = json.loads((await seat.command("thread", str(second), "--json")).output)
    assert [one["id"] for one in as_json] == [first, second]
    assert (await seat.command("thread", "99")).exit_code == 1


@pytest.mark.parametrize("to", ["bob", "*"])
async def test_a_send_whose_answer_was_lost_is_stored_once(
    seat: Seat, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    whole, lost = server._Session.handle, list[Body]()

    async def handle(self: server._Session, peer: Peer, body: Body) -> Body:
        answer = await whole(self, peer, body)
        if not lost:
            lost.append(answer)
            await peer.close("the daemon was killed")
        return answer

    monkeypatch.setattr(server._Session, "handle", handle)
    result = await seat.command("send", to, "once")
    assert result.exit_code == 0 and lost == [Sent(int(result.output))]
    assert [one.body for one in await seat.broker.inbox("bob")] == ["once"]
    first, second = await seat.audit.newest(10)
    assert (first.outcome, first.why) == (second.outcome, second.why)


async def test_a_broadcast_has_no_one_answer(seat: Seat) -> None:
    assert (await seat.command("send", "*", "hear", "--wait")).exit_code == 2
    result = await seat.command("send", "*", "hear")
    assert result.exit_code == 0
    message = await seat.broker.message(int(result.output))
    assert message is not None
    parts = await seat.broker.broadcast(message.broadcast_id or "")
    assert [one.recipient for one in parts] == ["ann", "bob"]
