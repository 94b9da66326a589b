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
class MailCommands:
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
            await self.broker.nack(lease, "h", count=False, limited=True, why="limited")
        return id_

    async def state(self, id_: int) -> str:
        message = await self.broker.message(id_)
        assert message is not None
        return message.state.value

    async def audited(self) -> list[tuple[str, str, str]]:
        return [(e.action, e.target, e.detail) for e in await self.audit.newest(10)]


@pytest.fixture
async def hive(tmp_path: Path) -> AsyncIterator[MailCommands]:
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
        hive = MailCommands(paths, broker, AuditLog(store))
        table = messages.table(broker, Mock())
        await listen(nursery, paths, table, hive.audit)
        yield hive
        nursery.cancel_scope.cancel()


async def test_nothing_undelivered_says_so(hive: MailCommands) -> None:
    result = await hive.command("dead")
    assert (result.exit_code, result.output) == (0, "nothing is dead or held\n")
    assert (await hive.command("dead", "--json")).output == "[]\n"


async def test_what_waits_is_listed_and_drives_no_terminal(hive: MailCommands) -> None:
    id_ = await hive.held(HOSTILE)
    head, line = (await hive.command("dead")).output.splitlines()
    assert head.split() == ["ID", "STATE", "FROM", "TO", "SENT", "FAILED", "RETURNED", "BEGINS"]
    assert line.split()[:4] == [str(id_), "held", "ann", "bob"]
    assert line.split()[5:7] == ["0", "6"]
    assert line.isprintable()
    (shown,) = json.loads((await hive.command("dead", "--json")).output)
    assert (shown["id"], shown["from"], shown["to"]) == (id_, "ann", "bob")
    assert (shown["state"], shown["returns"], shown["body"]) == ("held", 6, HOSTILE)
    assert shown["urgent"] is False


async def test_retry_queues_and_is_audited(hive: MailCommands) -> None:
    first, second = await hive.held(), await hive.held()
    result = await hive.command("retry", str(first), str(first), str(second), "99")
    assert (result.exit_code, result.output) == (0, "retried 2 of 3\n")
    assert [await hive.state(first), await hive.state(second)] == ["queued", "queued"]
    assert await hive.audited() == [("retry", "messages", f"{first} {second} 99")]


async def test_drop_gives_up_then_forgets(hive: MailCommands) -> None:
    id_ = await hive.held()
    for state in ("dead", "done"):
        result = await hive.command("drop", str(id_))
        assert (result.exit_code, result.output) == (0, "dropped 1 of 1\n")
        assert await hive.state(id_) == state
    assert await hive.audited() == [("drop", "messages", str(id_))] * 2


@pytest.mark.parametrize("action", ["retry", "drop"])
async def test_nothing_matched_is_a_failure_that_says_what_to_do(
    hive: MailCommands, action: str
) -> None:
    queued = await hive.broker.send(Draft("ann", "bob", "work"))
    result = await hive.command(action, str(queued))
    assert result.exit_code == 1
    assert "`hive dead` lists them" in result.output
    assert await hive.state(queued) == "queued"


@pytest.mark.parametrize("arguments", [["retry"], ["retry", "x"], ["drop", "0"], ["drop", "-3"]])
async def test_wrong_ids_are_wrong_usage(hive: MailCommands, arguments: list[str]) -> None:
    assert (await hive.command(*arguments)).exit_code == 2
    assert await hive.audited() == []


async def test_send_urgent_asks_for_the_reserve(hive: MailCommands) -> None:
    result = await hive.command("send", "bob", "now", "--urgent")
    assert result.exit_code == 0
    message = await hive.broker.message(int(result.output))
    assert message is not None and message.urgent
    refused = await hive.command("send", "ann", "now", "--urgent")
    assert (refused.exit_code, refused.output) == (1, "hive: ann has no reserve\n")
    assert (await hive.command("send", "ann", "now")).exit_code == 0


@pytest.mark.parametrize(
    ("resolve", "text"),
    [
        (Resolve((1,), "burn"), r"action must be one of \['drop', 'retry'\]"),
        (Resolve(tuple(range(1001)), "retry"), "at most 1000 ids"),
    ],
)
async def test_the_socket_refuses_what_no_command_asks(
    hive: MailCommands, resolve: Resolve, text: str
) -> None:
    peer: Peer
    async with connect(hive.paths.control, Hello(PROTOCOL, "operator", "x")) as (peer, _):
        with pytest.raises(RemoteError, match=text):
            await peer.request(resolve, timeout=5)
        assert await peer.request(Resolve((2**62, -5), "drop"), timeout=5) == Count(0)
    ends = [(entry.action, entry.outcome) for entry in await hive.audit.newest(10)]
    assert ends == [(resolve.action, "refused"), ("drop", "done")]


async def test_a_thread_is_shown_whole(hive: MailCommands) -> None:
    first = await hive.broker.send(Draft("ann", "bob", HOSTILE))
    second = await hive.broker.send(Draft("bob", "ann", "answer", first))
    shown = await hive.command("thread", str(first))
    assert shown.exit_code == 0 and f"in reply to {first}" in shown.output
    assert all(c.isprintable() or c == "\n" for c in shown.output)
    as_json = json.loads((await hive.command("thread", str(second), "--json")).output)
    assert [one["id"] for one in as_json] == [first, second]
    assert (await hive.command("thread", "99")).exit_code == 1


@pytest.mark.parametrize("to", ["bob", "*"])
async def test_a_send_whose_answer_was_lost_is_stored_once(
    hive: MailCommands, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    whole, lost = server._Session.handle, list[Body]()

    async def handle(self: server._Session, peer: Peer, body: Body) -> Body:
        answer = await whole(self, peer, body)
        if not lost:
            lost.append(answer)
            await peer.close("the daemon was killed")
        return answer

    monkeypatch.setattr(server._Session, "handle", handle)
    result = await hive.command("send", to, "once")
    assert result.exit_code == 0 and lost == [Sent(int(result.output))]
    assert [one.body for one in await hive.broker.inbox("bob")] == ["once"]
    first, second = await hive.audit.newest(10)
    assert (first.outcome, first.why) == (second.outcome, second.why)


async def test_a_broadcast_has_no_one_answer(hive: MailCommands) -> None:
    assert (await hive.command("send", "*", "hear", "--wait")).exit_code == 2
    result = await hive.command("send", "*", "hear")
    assert result.exit_code == 0
    message = await hive.broker.message(int(result.output))
    assert message is not None
    parts = await hive.broker.broadcast(message.broadcast_id or "")
    assert [one.recipient for one in parts] == ["ann", "bob"]
